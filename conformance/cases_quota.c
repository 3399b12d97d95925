/* Quota policies and admission (FF-QA). */
#include <stdatomic.h>
#include <string.h>

#include "cases.h"

/* ---- policies ----------------------------------------------------------------------------------------------- */

static void quota_create_once(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=60 max=5 slots=2"), "created");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=60 max=5 slots=2"), "same");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=61 max=5 slots=2"), "differs");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=60 max=6 slots=2"), "differs");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=60 max=5 slots=3"), "differs");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", ""), "differs");
	const ff_quota_status *status = NULL;
	FF_REQUIRE_OK(t, ff_engine_get_quota_status(e, "q", &status, ff_test_error(t)));
	ff_test_keep(t, status);
	FF_CHECK_STR(t, status->quota_policy_id, "q");
	FF_CHECK_EQ_INT(t, status->limits.window_seconds, 60);
	FF_CHECK_EQ_INT(t, status->limits.max_requests_per_window, 5);
	FF_CHECK_EQ_INT(t, status->limits.max_concurrent, 2);
	FF_CHECK_EQ_INT(t, status->created_at_ms, T0);
}

static void quota_limits_at_their_ends(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "max=5"), "!invalid");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=1000000000001"), "!invalid");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=1 max=9223372036854775808"), "!invalid");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "slots=9223372036854775808"), "!invalid");
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "!not_found");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=1000000000000 max=max slots=max"), "created");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "admitted");
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=1 active=1 next=now");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "window-only", "window=5"), "created");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "nothing", ""), "created");
	for (int i = 0; i < 20; i++) {
		FF_CHECK_STR(t, ffp_admit(t, e, "window-only", ff_test_text(t, "x%d", i), ""), "admitted");
		FF_CHECK_STR(t, ffp_admit(t, e, "nothing", ff_test_text(t, "x%d", i), ""), "admitted");
	}
	/* Slots and entries are recorded where there is no limit, too. */
	FF_CHECK_STR(t, ffp_quota(t, e, "window-only"), "in_window=20 active=20 next=now");
	FF_CHECK_STR(t, ffp_quota(t, e, "nothing"), "in_window=0 active=20 next=now");
}

/* The limits of a call are held to the same ranges. */
static void quota_limits_of_a_call_at_their_ends(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", ""), "created");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", "max=5"), "!invalid");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", "window=1000000000001"), "!invalid");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", "window=1 max=9223372036854775808"), "!invalid");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", "slots=9223372036854775808"), "!invalid");
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=0 active=0 next=now");
	ff_admission admission = FF_ADMISSION_INIT;
	admission.quota_policy_id = "q";
	admission.execution_id = "x";
	admission.lease_ms = -1;
	ff_admission_outcome outcome;
	FF_CHECK_CODE(t, ff_engine_admit(e, &admission, &outcome, ff_test_error(t)), FF_E_INVALID);
	admission.lease_ms = 0;
	admission.jitter_ms = -1;
	FF_CHECK_CODE(t, ff_engine_admit(e, &admission, &outcome, ff_test_error(t)), FF_E_INVALID);
}

/* D47, D57, T24: a denial really happens by the stored policy, and admission makes none. */
static void admit_goes_by_the_stored_policy(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "!not_found");
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "!not_found");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=10 max=1"), "created");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", ""), "rate_exceeded 10000");
	/* A call's own limits stand in for all of the stored ones. */
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", "window=10 max=2"), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "z", "slots=2"), "concurrency_exceeded");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "z", "slots=3"), "admitted");
	/* A call without a window leaves no entry in one. */
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=2 active=3 next=1010000");
}

/* D47: with limits of its own a call admits under an id that has no policy, and makes none. */
static void admit_without_a_policy(ff_test *t)
{
	const ff_quota_page *page = NULL;
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", "window=10 max=2 slots=2"), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", "window=10 max=2 slots=1"), "concurrency_exceeded");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", "window=10 max=1"), "rate_exceeded 10000");
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "!not_found");
	FF_REQUIRE_OK(t, ff_engine_list_quotas(e, NULL, 10, &page, ff_test_error(t)));
	ff_test_keep(t, page);
	FF_CHECK_EQ_INT(t, page->quotas_count, 0);
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "z", ""), "!not_found");
	/* The policy that is made later counts what is there, and its limits are its own. */
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=20 max=2 slots=5"), "created");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=20 max=2 slots=5"), "same");
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=1 active=1 next=now");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "already_admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", ""), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "z", ""), "rate_exceeded 10000");
}

static void quotas_do_not_share(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=10 max=1 slots=1"), "created");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "Q", "window=10 max=1 slots=1"), "created");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "Q", "x", ""), "admitted");
	FF_CHECK_STR(t, ffp_release_slot(t, e, "q", "x", 0), "held");
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=1 active=0 next=1010000");
	FF_CHECK_STR(t, ffp_quota(t, e, "Q"), "in_window=1 active=1 next=1010000");
}

/* ---- the window --------------------------------------------------------------------------------------------- */

/* D43, T20: an entry leaves at the instant it is window old; after retry_after exactly, one more is admitted. */
static void window_edge_to_the_millisecond(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=10 max=2"), "created");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "a", ""), "admitted");
	ff_test_set_time(t, T0 + 4000);
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "b", ""), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "c", ""), "rate_exceeded 6000");
	ff_test_set_time(t, T0 + 9999);
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "c", ""), "rate_exceeded 1");
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=2 active=2 next=1010000");
	ff_test_set_time(t, T0 + 10000);
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=1 active=2 next=now");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "c", ""), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "d", ""), "rate_exceeded 4000");
	ff_test_set_time(t, T0 + 14000);
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "d", ""), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "e", ""), "rate_exceeded 6000");
}

static void window_with_a_maximum_of_one(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=1 max=1"), "created");
	for (int i = 0; i < 5; i++) {
		ff_test_set_time(t, T0 + i * 1000);
		FF_CHECK_STR(t, ffp_admit(t, e, "q", ff_test_text(t, "x%d", i), ""), "admitted");
		FF_CHECK_STR(t, ffp_admit(t, e, "q", "other", ""), "rate_exceeded 1000");
		ff_test_set_time(t, T0 + i * 1000 + 999);
		FF_CHECK_STR(t, ffp_admit(t, e, "q", "other", ""), "rate_exceeded 1");
	}
}

/* Against a model that remembers every entry: a sliding window, exactly. */
static void window_against_a_model(ff_test *t)
{
	enum { OPS = 400, MAX = 5 };
	int64_t entries[OPS];
	size_t count = 0;
	int64_t now = T0;
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=1 max=5"), "created");
	for (int i = 0; i < OPS; i++) {
		now += (int64_t)ff_test_random_below(t, 400);
		ff_test_set_time(t, now);
		const char *want = "admitted";
		if (count >= MAX && entries[count - MAX] + 1000 > now)
			want = ff_test_text(t, "rate_exceeded %" PRId64, entries[count - MAX] + 1000 - now);
		else
			entries[count++] = now;
		FF_REQUIRE(t, FF_CHECK_STR(t, ffp_admit(t, e, "q", ff_test_text(t, "x%d", i), ""), want));
		if (i % 37 == 0)
			ffp_tick(t, e, 0, i % 2 ? 0 : 3);
	}
}

/* A refused request leaves no entry (T5). */
static void window_does_not_count_refusals(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=10 max=1 slots=1"), "created");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "admitted");
	for (int i = 0; i < 3; i++)
		FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", ""), "rate_exceeded 10000");
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=1 active=1 next=1010000");
	ff_test_set_time(t, T0 + 10000);
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", ""), "concurrency_exceeded");
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=0 active=1 next=now");
	FF_CHECK_STR(t, ffp_release_slot(t, e, "q", "x", 0), "held");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", ""), "admitted");
}

/* An entry lives for the window of the call that admitted it. */
static void window_is_that_of_the_call(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=10 max=2"), "created");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "short", "window=1 max=9"), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "long", "window=100 max=9"), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "rate_exceeded 1000");
	ff_test_set_time(t, T0 + 1000);
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "admitted");
	/* The second newest is the long one. */
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", ""), "rate_exceeded 99000");
	ff_test_set_time(t, T0 + 99999);
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", ""), "rate_exceeded 1");
	ff_test_set_time(t, T0 + 100000);
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", ""), "admitted");
}

/* No answer hangs on whether a purge ran. */
static void window_does_not_mind_a_purge(ff_test *t)
{
	static const int64_t times[] = { 0, 500, 1000, 1400, 1500, 2500, 2600, 5000, 5001, 5999, 6000, 6001 };
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "purged", "window=1 max=2 slots=3"), "created");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "left", "window=1 max=2 slots=3"), "created");
	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
		ff_test_set_time(t, T0 + times[i]);
		const char *execution = ff_test_text(t, "x%zu", i % 5);
		const char *answer = ffp_admit(t, e, "left", execution, "");
		/* Purges what is over of the one by having the other's rows read back the same after it. */
		FF_CHECK_STR(t, ffp_admit(t, e, "purged", execution, ""), answer);
		FF_CHECK_STR(t, ffp_quota(t, e, "purged"), ffp_quota(t, e, "left"));
		const char *before = ffp_quota(t, e, "left");
		ffp_tick(t, e, 0, 0);
		FF_CHECK_STR(t, ffp_quota(t, e, "left"), before);
		if (i % 3 == 2)
			FF_CHECK_STR(t, ffp_release_slot(t, e, "purged", execution, 0),
			             ffp_release_slot(t, e, "left", execution, 0));
	}
}

/* ---- admitted before ---------------------------------------------------------------------------------------- */

static void admitted_already(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=10 max=1 slots=1"), "created");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "admitted");
	ff_test_set_time(t, T0 + 9999);
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "already_admitted");
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=1 active=1 next=1010000");
	/* Its entry is over: decided anew; it holds its slot, so concurrency does not refuse it (D50). */
	ff_test_set_time(t, T0 + 10000);
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "admitted");
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=1 active=1 next=1020000");
	FF_CHECK_STR(t, ffp_release_slot(t, e, "q", "x", 0), "held");
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=1 active=0 next=1020000");
	FF_CHECK_STR(t, ffp_release_slot(t, e, "q", "x", 0), "not held");
}

/* Already admitted comes before a full window and before full slots. */
static void admitted_already_comes_first(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=10 max=2 slots=2"), "created");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", ""), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "already_admitted");
	/* The window comes before concurrency. */
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "z", ""), "rate_exceeded 10000");
	ff_test_set_time(t, T0 + 10000);
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "z", ""), "concurrency_exceeded");
}

/* D51, D52: after a release the same execution is decided anew, in the same millisecond too, with a new entry. */
static void admitted_again_after_release(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=10 max=3 slots=1"), "created");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "admitted");
	FF_CHECK_STR(t, ffp_release_slot(t, e, "q", "x", 0), "held");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "admitted");
	FF_CHECK_STR(t, ffp_release_slot(t, e, "q", "x", 0), "held");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "already_admitted");
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=3 active=1 next=1010000");
	FF_CHECK_STR(t, ffp_release_slot(t, e, "q", "x", 0), "held");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "rate_exceeded 10000");
}

/* Without a window nothing is ever "already": but its slot is its own (D53). */
static void admitted_without_a_window(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "slots=1"), "created");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "admitted");
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=0 active=1 next=now");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", ""), "concurrency_exceeded");
	FF_CHECK_STR(t, ffp_release_slot(t, e, "q", "x", 0), "held");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", ""), "admitted");
}

/* ---- slots -------------------------------------------------------------------------------------------------- */

/* D48, T31: double and foreign releases free nothing. */
static void slots_are_owned(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "slots=2"), "created");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "e1", ""), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "e2", ""), "admitted");
	FF_CHECK_STR(t, ffp_release_slot(t, e, "q", "never", 0), "not held");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "e3", ""), "concurrency_exceeded");
	FF_CHECK_STR(t, ffp_release_slot(t, e, "q", "e3", 0), "not held");
	FF_CHECK_STR(t, ffp_release_slot(t, e, "q", "e1", 0), "held");
	FF_CHECK_STR(t, ffp_release_slot(t, e, "q", "e1", 0), "not held");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "e3", ""), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "e4", ""), "concurrency_exceeded");
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=0 active=2 next=now");
	FF_CHECK_STR(t, ffp_release_slot(t, e, "ghost", "e1", 0), "not held");
}

/* Who holds a slot is never refused for concurrency, even where more are held than this call would allow. */
static void slots_above_the_cap(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "slots=3"), "created");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "a", ""), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "b", ""), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "c", "lease=10"), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "a", "slots=1"), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "d", "slots=1"), "concurrency_exceeded");
	/* c's is over: it holds none, and two are still above the cap of the call. */
	ff_test_set_time(t, T0 + 10);
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "c", "slots=2"), "concurrency_exceeded");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "d", "slots=2"), "concurrency_exceeded");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "c", ""), "admitted");
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=0 active=3 next=now");
}

/* D49: without a lease a slot is held past the window, until it is released. */
static void slots_outlive_the_window(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=1 max=5 slots=1"), "created");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "admitted");
	ff_test_set_time(t, T0 + 100 * DAY_MS);
	ffp_tick(t, e, 0, 0);
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", ""), "concurrency_exceeded");
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=0 active=1 next=now");
	FF_CHECK_STR(t, ffp_release_slot(t, e, "q", "x", 0), "held");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", ""), "admitted");
}

/* A release refunds nothing of the window. */
/* D47: neither a release nor what it answers makes a policy of an id that has none. */
static void release_under_no_policy(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	const char *before = ffp_export(t, e, 0);
	FF_CHECK_STR(t, ffp_release_slot(t, e, "nosuch", "x", 0), "not held");
	FF_CHECK_STR(t, ffp_export(t, e, 0), before);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "nosuch", "slots=1"), "created");
	/* What a call with limits of its own holds there is its own to give back, once. */
	FF_CHECK_STR(t, ffp_admit(t, e, "own", "x", "window=10 max=9 slots=1"), "admitted");
	FF_CHECK_STR(t, ffp_release_slot(t, e, "own", "y", 0), "not held");
	FF_CHECK_STR(t, ffp_release_slot(t, e, "own", "x", 0), "held");
	FF_CHECK_STR(t, ffp_release_slot(t, e, "own", "x", 0), "not held");
	FF_CHECK_STR(t, ffp_admit(t, e, "own", "y", "window=10 max=9 slots=1"), "admitted");
}

static void release_does_not_refund_the_window(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=10 max=2 slots=2"), "created");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "admitted");
	FF_CHECK_STR(t, ffp_release_slot(t, e, "q", "x", 0), "held");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", ""), "admitted");
	FF_CHECK_STR(t, ffp_release_slot(t, e, "q", "y", 0), "held");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "z", ""), "rate_exceeded 10000");
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=2 active=0 next=1010000");
}

/* T32: a slot is free at the instant its lease is over, with no tick; and a tick frees no slot that is alive. */
static void lease_ends_to_the_millisecond(ff_test *t)
{
	for (int ticking = 0; ticking < 2; ticking++) {
		ff_engine *e = ff_test_open(t, NULL);
		const char *q = ticking ? "ticked" : "left";
		int64_t start = ff_test_time(t);
		FF_CHECK_STR(t, ffp_create_quota(t, e, q, "slots=1"), "created");
		FF_CHECK_STR(t, ffp_admit(t, e, q, "x", "lease=500"), "admitted");
		ff_test_set_time(t, start + 499);
		if (ticking)
			ffp_tick(t, e, 0, 0);
		FF_CHECK_STR(t, ffp_admit(t, e, q, "y", ""), "concurrency_exceeded");
		FF_CHECK_STR(t, ffp_quota(t, e, q), "in_window=0 active=1 next=now");
		ff_test_set_time(t, start + 500);
		if (ticking)
			ffp_tick(t, e, 0, 0);
		FF_CHECK_STR(t, ffp_quota(t, e, q), "in_window=0 active=0 next=now");
		FF_CHECK_STR(t, ffp_release_slot(t, e, q, "x", 0), "not held");
		FF_CHECK_STR(t, ffp_admit(t, e, q, "y", ""), "admitted");
		FF_CHECK_STR(t, ffp_quota(t, e, q), "in_window=0 active=1 next=now");
		FF_CHECK_STR(t, ffp_admit(t, e, q, "x", ""), "concurrency_exceeded");
		ff_test_undo(t, e);
	}
}

/* Admitting again renews a lease; a call without one changes nothing. */
static void lease_is_renewed(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=100 max=9 slots=1"), "created");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", "lease=500"), "admitted");
	ff_test_set_time(t, T0 + 400);
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", "lease=500"), "already_admitted");
	ff_test_set_time(t, T0 + 899);
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "already_admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", ""), "concurrency_exceeded");
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=1 active=1 next=now");
	/* Over: decided anew, with a new entry, though its entry is alive. */
	ff_test_set_time(t, T0 + 900);
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=1 active=0 next=now");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", "lease=500"), "admitted");
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=2 active=1 next=now");
	/* A lease may be shortened, too. */
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", "lease=1"), "already_admitted");
	ff_test_set_time(t, T0 + 901);
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", "lease=1"), "admitted");
}

/* A lease is that of the last admission, and goes where that has none. */
static void lease_is_the_last_admissions(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "slots=1"), "created");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", "lease=100"), "admitted");
	ff_test_set_time(t, T0 + 50);
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "admitted"); /* without a window nothing stands */
	ff_test_set_time(t, T0 + 100);
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", ""), "concurrency_exceeded");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", "lease=100"), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", "lease=10"), "admitted");
	ff_test_set_time(t, T0 + 110);
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", ""), "admitted");
}

/* Several leases, each over at its own time; the cap counts those that are alive. */
static void leases_end_one_by_one(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "slots=3"), "created");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "c", "lease=300"), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "a", "lease=100"), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "b", "lease=200"), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "concurrency_exceeded");
	ff_test_set_time(t, T0 + 250);
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=0 active=1 next=now");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", ""), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "z", ""), "concurrency_exceeded");
	FF_CHECK_STR(t, ffp_release_slot(t, e, "q", "a", 0), "not held");
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=0 active=3 next=now");
	ff_test_set_time(t, T0 + 300);
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "z", ""), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "c", ""), "concurrency_exceeded");
}

/* A lease so long that its end would pass INT64_MAX does not wrap. */
static void lease_without_end(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "slots=1"), "created");
	const char *answer = ffp_admit(t, e, "q", "x", "lease=max");
	FF_CHECK(t, !strcmp(answer, "admitted") || !strcmp(answer, "!invalid"));
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", ""),
	             strcmp(answer, "admitted") ? "admitted" : "concurrency_exceeded");
}

/* ---- jitter ------------------------------------------------------------------------------------------------- */

static uint64_t random_of_case(void *context)
{
	return ff_test_random(context);
}

/* D45: random in 0 … jitter, both ends included, added to the answer only. */
static void jitter_is_random_and_in_range(ff_test *t)
{
	ff_random random = { random_of_case, t };
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.random = &random;
	ff_engine *e = ff_test_open(t, &options);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=10 max=1"), "created");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", "jitter=3"), "admitted");
	bool seen[4] = { false };
	for (int i = 0; i < 200; i++) {
		const char *answer = ffp_admit(t, e, "q", "y", "jitter=3");
		for (int more = 0; more < 4; more++)
			seen[more] |= !strcmp(answer, ff_test_text(t, "rate_exceeded %d", 10000 + more));
		FF_CHECK(t, strcmp(answer, "rate_exceeded 10000") >= 0 && strcmp(answer, "rate_exceeded 10003") <= 0);
	}
	FF_CHECK(t, seen[0] && seen[1] && seen[2] && seen[3]);
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", "jitter=0"), "rate_exceeded 10000");
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=1 active=1 next=1010000");
	ff_test_set_time(t, T0 + 10000);
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", "jitter=3"), "admitted");
}

/* The sum stays a time that can be. */
static void jitter_at_its_longest(ff_test *t)
{
	ff_random random = { random_of_case, t };
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.random = &random;
	ff_engine *e = ff_test_open(t, &options);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=10 max=1"), "created");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "admitted");
	for (int i = 0; i < 20; i++) {
		ffp_quota_args args = ffp_quota_of(t, "jitter=1000000000000");
		ff_admission admission = FF_ADMISSION_INIT;
		admission.quota_policy_id = "q";
		admission.execution_id = "y";
		admission.jitter_ms = args.jitter_ms;
		ff_admission_outcome outcome = { FF_ADMITTED, 0 };
		FF_REQUIRE_OK(t, ff_engine_admit(e, &admission, &outcome, ff_test_error(t)));
		FF_CHECK(t, outcome.kind == FF_RATE_EXCEEDED && outcome.retry_after_ms >= 10000 &&
		                outcome.retry_after_ms <= INT64_C(1000000010000));
	}
}

/* ---- cost, status, threads ----------------------------------------------------------------------------------- */

/* D46, T33: an admission asks as much of the store whatever the window holds. */
static void admission_costs_the_same(ff_test *t)
{
	ff_engine_info before = { 0 }, after = { 0 };
	uint64_t loads[2];
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=1000 max=900 slots=1000"), "created");
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 300; i++)
			FF_CHECK_STR(t, ffp_admit(t, e, "q", ff_test_text(t, "x%d-%d", round, i), ""), "admitted");
		FF_REQUIRE_OK(t, ff_engine_get_info(e, &before, ff_test_error(t)));
		FF_CHECK_STR(t, ffp_admit(t, e, "q", ff_test_text(t, "measured%d", round), ""), "admitted");
		FF_REQUIRE_OK(t, ff_engine_get_info(e, &after, ff_test_error(t)));
		loads[round] = after.loads - before.loads;
	}
	FF_CHECK_EQ_INT(t, loads[1], loads[0]);
	FF_CHECK(t, loads[1] <= 2);
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=602 active=602 next=now");
}

static void quota_status_tells_when(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "!not_found");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=10 max=2 slots=1"), "created");
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=0 active=0 next=now");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "admitted");
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=1 active=1 next=now");
	FF_CHECK_STR(t, ffp_release_slot(t, e, "q", "x", 0), "held");
	ff_test_set_time(t, T0 + 2500);
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "admitted");
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=2 active=1 next=1010000");
	ff_test_set_time(t, T0 + 10000);
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=1 active=1 next=now");
	ff_test_set_time(t, T0 + 12500);
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=0 active=1 next=now");
}

typedef struct gate {
	ff_engine *engine;
	_Atomic unsigned admitted, rate, concurrency, errors;
} gate;

static void admit_many(void *context, unsigned thread)
{
	gate *shared = context;
	for (unsigned i = 0; i < 20; i++) {
		char execution[3] = { (char)('a' + thread), (char)('a' + i), '\0' };
		ff_admission admission = FF_ADMISSION_INIT;
		admission.quota_policy_id = "q";
		admission.execution_id = execution;
		ff_admission_outcome outcome = { FF_ADMITTED, 0 };
		if (ff_engine_admit(shared->engine, &admission, &outcome, NULL))
			shared->errors++;
		else if (outcome.kind == FF_ADMITTED)
			shared->admitted++;
		else if (outcome.kind == FF_RATE_EXCEEDED)
			shared->rate++;
		else
			shared->concurrency++;
	}
}

static void threads_at_a_quota(ff_test *t)
{
	gate shared = { .engine = ff_test_open(t, NULL) };
	FF_CHECK_STR(t, ffp_create_quota(t, shared.engine, "q", "window=10 max=77"), "created");
	ffp_threads(t, 8, admit_many, &shared);
	FF_CHECK_EQ_INT(t, shared.errors, 0);
	FF_CHECK_EQ_INT(t, shared.admitted, 77);
	FF_CHECK_EQ_INT(t, shared.rate, 160 - 77);
	FF_CHECK_STR(t, ffp_quota(t, shared.engine, "q"), "in_window=77 active=77 next=1010000");
}

static void threads_at_a_cap(ff_test *t)
{
	gate shared = { .engine = ff_test_open(t, NULL) };
	FF_CHECK_STR(t, ffp_create_quota(t, shared.engine, "q", "slots=31"), "created");
	ffp_threads(t, 8, admit_many, &shared);
	FF_CHECK_EQ_INT(t, shared.errors, 0);
	FF_CHECK_EQ_INT(t, shared.admitted, 31);
	FF_CHECK_EQ_INT(t, shared.concurrency, 160 - 31);
	FF_CHECK_STR(t, ffp_quota(t, shared.engine, "q"), "in_window=0 active=31 next=now");
}

static const ff_case table[] = {
	CASE(quota_create_once, "FF-QA-1", 0),
	CASE(quota_limits_at_their_ends, "FF-QA-1 FF-QA-5", 0),
	CASE(quota_limits_of_a_call_at_their_ends, "FF-QA-1 FF-QA-2", 0),
	CASE(admit_goes_by_the_stored_policy, "FF-QA-2 FF-QA-5", 0),
	CASE(admit_without_a_policy, "FF-QA-2 FF-QA-9", 0),
	CASE(quotas_do_not_share, "FF-QA-5 FF-LIM-2", 0),
	CASE(window_edge_to_the_millisecond, "FF-QA-4 FF-QA-8", 0),
	CASE(window_with_a_maximum_of_one, "FF-QA-4", 0),
	CASE(window_against_a_model, "FF-QA-2 FF-QA-4", 0),
	CASE(window_does_not_count_refusals, "FF-QA-3 FF-QA-4", 0),
	CASE(window_is_that_of_the_call, "FF-QA-2", 0),
	CASE(window_does_not_mind_a_purge, "FF-QA-2 FF-MT-1", 0),
	CASE(admitted_already, "FF-QA-3 FF-QA-5", 0),
	CASE(admitted_already_comes_first, "FF-QA-3", 0),
	CASE(admitted_again_after_release, "FF-QA-3 FF-QA-5", 0),
	CASE(admitted_without_a_window, "FF-QA-3 FF-QA-5", 0),
	CASE(slots_are_owned, "FF-QA-5", 0),
	CASE(slots_above_the_cap, "FF-QA-5 FF-QA-6", 0),
	CASE(slots_outlive_the_window, "FF-QA-5", 0),
	CASE(release_under_no_policy, "FF-QA-10 FF-QA-9", 0),
	CASE(release_does_not_refund_the_window, "FF-QA-5", 0),
	CASE(lease_ends_to_the_millisecond, "FF-QA-6", 0),
	CASE(lease_is_renewed, "FF-QA-6 FF-QA-3", 0),
	CASE(lease_is_the_last_admissions, "FF-QA-6 FF-QA-3", 0),
	CASE(leases_end_one_by_one, "FF-QA-6", 0),
	CASE(lease_without_end, "FF-QA-6", 0),
	CASE(jitter_is_random_and_in_range, "FF-QA-4", 0),
	CASE(jitter_at_its_longest, "FF-QA-4", 0),
	CASE(admission_costs_the_same, "FF-QA-7", 0),
	CASE(quota_status_tells_when, "FF-QA-8", 0),
	CASE(threads_at_a_quota, "FF-QA-4 FF-QA-5", 0),
	CASE(threads_at_a_cap, "FF-QA-5", 0),
};

FAMILY(ffp_cases_quota, table);
