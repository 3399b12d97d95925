/* A store's rows as lines of JSON, and back (FF-MT-3). The catalog says what a line holds. */
#ifndef FFP_MOVE_H
#define FFP_MOVE_H

#include "request.h"

/* Whether the work of an import is recorded as under way. */
#define FFP_IMPORT_WORK "import"

/* What stands for the table's name in the last line of an export. */
#define FFP_EXPORT_END "end"

/* One transaction of an import. */
typedef struct ffp_import_slice {
	const ff_row **rows;
	const ff_table **tables;
	size_t count;
	uint64_t first_line; /* the number of the first row's line, for errors */
	bool begins;         /* empties a store that an import was left unfinished in; else wants it empty */
	bool ends;
	bool may_have_ended; /* its end is sent again, since nobody knows of the first one's commit */
	int64_t mark;        /* the import's, by which its later slices know that no other has begun */
} ffp_import_slice;

extern const ffp_op ffp_op_import;

/* Tells what cannot be in the rows that an export has (FF-MT-4). Reads them all. */
ff_code ffp_check_rows(ff_engine *engine, ff_problem_fn *problem, void *context, ff_error *error);

/* The first column of a row that no call can have written so: a name that none takes (FF-LIM-1), a number below zero.
 * NULL: there is none. Pure. */
const ff_column *ffp_impossible_column(const ff_table *table, const ff_row *row);

/* CORRUPT where there is one. */
ff_code ffp_check_columns(const ff_table *table, const ff_row *row, ff_error *error);

#endif
