/* A sequence that is cut anywhere: what is left is in the batches that it was in, so that none grows. */
#include <stdio.h>

#include "../parity_step.h"

/* Batches of some sizes; each step tells by `random` in which it is. */
static void make_batches(ffp_steps *to)
{
	static const unsigned sizes[] = { 1, 3, 2, 1, 1, 4, 2 };
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		for (unsigned j = 0; j < sizes[i]; j++) {
			const ffp_step step = { .kind = FFP_STEP_CALL, .random = i, .joins = j > 0 };
			ffp_steps_add(to, &step);
		}
	}
}

static bool keeps_batches(const ffp_steps *of)
{
	bool keeps = true;
	for (size_t i = 0; i < of->count; i++)
		keeps = keeps && of->list[i].joins == (i && of->list[i - 1].random == of->list[i].random);
	return keeps;
}

int main(void)
{
	ffp_steps all = { .list = NULL };
	ffp_steps left = { .list = NULL };
	size_t wrong = 0;
	make_batches(&all);
	for (size_t at = 0; at < all.count; at++) {
		for (size_t count = 1; at + count <= all.count; count++) {
			ffp_steps_without(&left, &all, at, count);
			bool good = left.count == all.count - count && keeps_batches(&left);
			if (!good)
				printf("# wrong without %zu from %zu on\n", count, at);
			wrong += !good;
		}
	}
	printf("%s 1 - a cut keeps batches\n1..1\n", wrong ? "not ok" : "ok");
	ffp_steps_free(&all);
	ffp_steps_free(&left);
	return wrong > 0;
}
