/* A host outside of the project: one report by the installed library. */
#include <ff/ff.h>
#include <stdio.h>

int main(void)
{
	ff_engine *engine = NULL;
	ff_error error = { .message = "" };
	ff_amount amount = { "tokens", 1200 };
	ff_report report = { .budget_id = "team-42", .amounts = &amount, .amounts_count = 1 };
	ff_outcome outcome = { .applied = false };
	if (ff_engine_open("sqlite::memory:", NULL, &engine, &error) == FF_OK)
		ff_engine_report_usage(engine, &report, &outcome, &error);
	ff_engine_close(&engine);
	printf("ff %s: %s\n", ff_version(), outcome.applied ? "applied" : error.message);
	return !outcome.applied;
}
