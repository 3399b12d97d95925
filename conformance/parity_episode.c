/*
 * Episodes: some hundred random steps each, from fresh stores, so that every kind of policy has its turn and a
 * difference is found near to its cause. After each batch the answers and the statuses of what it touched are compared;
 * exports now and then and at the end.
 */
#include "parity_episode.h"

#include "parity_generate.h"

enum { EPISODE_STEPS = 500 };

static ffp_step step_after(const ffp_step *last, ffp_step_kind kind)
{
	return (ffp_step){ .kind = kind, .clock_ms = last->clock_ms };
}

/* One step more. */
static bool go_on(ffp_comparison *of, ffp_steps *made, ffp_step_kind kind)
{
	const ffp_step step = step_after(&made->list[made->count - 1], kind);
	ffp_steps_add(made, &step);
	return ffp_comparison_step(of, &step, 1);
}

bool ffp_episode_run(ffp_comparison *of, const ffp_setting *setting, ffp_steps *made)
{
	ffp_generator generator;
	made->count = 0;
	bool same = ffp_comparison_open(of, setting);
	ffp_generator_begin(&generator, setting, of->model, &of->clock_ms);
	while (same && made->count < EPISODE_STEPS) {
		size_t from = made->count;
		ffp_batch_generate(&generator, made);
		same = ffp_comparison_step(of, &made->list[from], made->count - from);
	}
	same = same && go_on(of, made, FFP_STEP_EXPORT) && go_on(of, made, FFP_STEP_CHECK);
	ffp_comparison_close(of);
	return same;
}

/* The time of each call of a batch that is to come, as its model will see it. */
static void note_times(const ffp_comparison *of, const ffp_setting *setting, ffp_steps *what, size_t from, size_t count)
{
	int64_t time_ms = ffp_model_time(of->model);
	bool has_data_clock = setting->flags & FF_OPEN_DATA_CLOCK && what->list[from].kind == FFP_STEP_CALL;
	for (size_t i = from; i < from + count; i++) {
		int64_t own_ms = what->list[i].now_ms;
		if (has_data_clock && own_ms > time_ms)
			time_ms = own_ms;
		what->times_ms[i] = own_ms > 0 && !has_data_clock ? own_ms : time_ms;
	}
}

bool ffp_episode_differs(ffp_comparison *of, const ffp_setting *setting, ffp_steps *steps, bool thorough)
{
	bool same = ffp_comparison_open(of, setting);
	for (size_t from = 0, count; same && from < steps->count; from += count) {
		count = ffp_steps_batch(steps, from);
		of->clock_ms = steps->list[from].clock_ms;
		note_times(of, setting, steps, from, count);
		same = ffp_comparison_step(of, &steps->list[from], count);
		bool looks = same && thorough && steps->list[from].kind != FFP_STEP_EXPORT;
		const ffp_step look = step_after(&steps->list[from], FFP_STEP_EXPORT);
		if (looks)
			same = ffp_comparison_step(of, &look, 1);
		if (same)
			continue;
		steps->count = from + count;
		if (looks) {
			ffp_steps_add(steps, &look);
			steps->times_ms[steps->count - 1] = ffp_model_time(of->model);
		}
	}
	return !same;
}
