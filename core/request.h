/*
 * A request, and the batch that it is decided in. Each operation is a row of a table (ffp_ops): how its arguments are
 * checked, which rows it needs, and its rule. check, plan and decide are pure: no I/O, no clock, no memory but an
 * arena's and that of the policies that are kept parsed; a jitter's bits are the host's.
 */
#ifndef FFP_REQUEST_H
#define FFP_REQUEST_H

#include <ff/ff.h>

#include "place.h"
#include "policies.h"
#include "rows.h"

/* Of a policy, and of a report (FF-LIM-1). */
#define FFP_DIMENSIONS_MAX 64

typedef struct ffp_request ffp_request;

typedef struct ffp_batch {
	ff_arena *arena;
	ffp_rows rows;
	ffp_policies *policies;
	const ff_random *random;
	int64_t key_ttl_ms;
	bool require_budget;
	bool trusts_keys; /* keys and window entries are taken for fresh, until storing one shows that it is not */
	bool trusted;     /* and one was */
} ffp_batch;

/* What decide answers where it asked for rows that are not loaded yet: it is called again once they are. */
#define FFP_PENDING ((ff_code)(-1))

typedef struct ffp_op {
	const char *name;
	const char *entity; /* what the request's id names */
	bool is_alone;      /* it shares its batch with no other: an import */
	/* In the caller's thread, before the request waits: FF_E_INVALID, or the names and amounts set. */
	ff_code (*check)(ffp_request *request, ff_arena *arena);
	/* Asks for the rows that the rule will most likely need. False: memory is out. */
	bool (*plan)(ffp_batch *batch, ffp_request *request);
	/* The rule. Answers and changes rows, or neither: FF_OK, the request's own error,
	 * FFP_PENDING, FF_E_NO_MEMORY. */
	ff_code (*decide)(ffp_batch *batch, ffp_request *request);
	/* NULL, or lays out a result that is handed out once the commit is done. */
	ff_code (*prepare)(const ff_allocator *allocator, ffp_request *request);
} ffp_op;

typedef struct ffp_amount {
	ff_text dimension;
	int64_t amount;
} ffp_amount;

/* A slice of tick's work: where it goes on, how far it may go, and what it did. */
typedef struct ffp_slice {
	ffp_table_id table;
	const ff_index *index; /* the order that it goes along; NULL: the key's */
	uint32_t rows_max;     /* to look at */
	uint64_t changes_max;
	const ffp_place *low;  /* it looks at rows behind this one, where it is set */
	const ffp_place *high; /* up to this one; or NULL */
	ffp_place next;        /* the last row that it looked at */
	uint64_t looked_at;
	uint64_t changed;
	uint64_t failed;
} ffp_slice;

/* What create_budget is asked for. */
typedef struct ffp_new_budget {
	ffp_policy policy;
	ff_text scope_type;
	ff_text scope_id;
	ff_mode mode;
} ffp_new_budget;

struct ffp_request {
	const ffp_op *op;
	ff_call *call;
	ff_error *error;           /* the call's; may be NULL */
	const ffp_request *before; /* the one before it in its list; or NULL */
	int64_t own_now_ms;        /* what the call brought; 0 = none */
	int64_t deadline_ms;       /* the call's; 0 = none */
	int64_t now_ms;            /* the time that it is decided at */
	bool is_late;              /* its deadline passed before a decision, and it was failed */

	/* Set by check. */
	ff_text id;
	ff_text execution_id;
	ff_text key;

	/* Set by plan and decide. */
	ffp_item *root;  /* the budget's or the quota policy's row */
	ffp_item *group; /* an execution's ledger rows, or a quota policy's slots */
	ffp_scan *scan;
	const void *result; /* of prepare, until it is handed out */

	/* What one kind of operation alone has, so that a batch of many takes little memory. */
	union {
		ffp_new_budget *wanted;            /* create_budget */
		struct {                           /* report_usage, record_spend */
			const ffp_amount *amounts; /* in byte order of dimension, none twice */
			size_t amounts_count;
			int64_t digest; /* of operation, execution and amounts (FF-RU-2) */
			ffp_item *key_item;
			ffp_item **usage;  /* one for each amount */
			ffp_item **ledger; /* record_spend: likewise */
			bool is_spend;
		};
		struct { /* release_budget */
			ffp_amount *released;
			size_t released_count;
		};
		struct { /* create_quota_policy, admit, release_admission */
			ff_quota_limits quota;
			ffp_item *held;  /* the slot of an execution */
			ffp_item *entry; /* the one that tells whether the window is full */
		};
		struct { /* import */
			struct ffp_import_slice *import;
			ffp_item **items; /* one for each row */
			ffp_scan **scans; /* one for each table */
		};
		ffp_slice *slice; /* tick */
	};
};

/* Fills the request's error record, if there is one, and answers the code. */
ff_code ffp_fail(ffp_request *request, ff_code code, const char *format, ...) FF_PRINTF(3, 4);

/* Fails a call that is at its deadline or past it (FF-ERR-7). True: it was, and the call has its error. */
bool ffp_fail_if_late(ffp_request *request, int64_t now_ms);

/* The rule of an operation of a batch, or NULL where `op` is none. */
const ffp_op *ffp_op_of(ff_op op);

#endif
