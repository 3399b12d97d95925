/*
 * ff: for authors of backends that keep rows in an SQL store: statements built from the descriptors of <ff/backend.h>.
 *
 * Each function appends one statement, without a semicolon, to a text that the caller gives. Values are parameters,
 * numbered from 1 in the order that the function's comment says. Rows with NULL in any column of an index are left out
 * of the index (it is partial, unless full_indexes), and a read in its order repeats that term, so that the planner may use
 * the index.
 *
 * A number may stand in a statement twice (split_bounds), and its value is bound at each place. A client that knows only a
 * bare '?', or sends values as words of the statement, puts its own in the place of each '?' and the digits behind it: no
 * name of a core's tables holds a '?'.
 *
 *     SQLite      { .placeholder = '?', .quote = '"', .type_int64 = "INTEGER", .type_text = "TEXT",
 *                   .table_suffix = " STRICT, WITHOUT ROWID", .index_hint = " INDEXED BY " }
 *     PostgreSQL  { .placeholder = '$', .quote = '"', .type_int64 = "bigint", .type_text = "text COLLATE \"C\"" }
 *     MariaDB     { .placeholder = '?', .quote = '`', .type_int64 = "BIGINT", .type_text = "MEDIUMBLOB",
 *                   .table_suffix = " ENGINE=InnoDB", .type_text_key = "VARBINARY(256)", .full_indexes = true,
 *                   .if_not_exists = true, .split_bounds = true }
 *
 * Stability: fields are only ever appended to ff_sql_dialect, and 0 there means "as before"; the struct has no size, so a
 * backend is compiled anew with each version of this header.
 */
#ifndef FF_SQL_H
#define FF_SQL_H

#include <ff/backend.h>

/* How one store's SQL differs from another's. */
typedef struct ff_sql_dialect {
	char placeholder;         /* '?' writes ?1, ?2, …; '$' writes $1, $2, … */
	char quote;               /* around names, doubled inside them: '"' */
	const char *type_int64;   /* "INTEGER", "bigint" */
	const char *type_text;    /* a text that sorts by bytes: "TEXT", "text COLLATE \"C\"" */
	const char *table_suffix; /* after the last parenthesis of a table: " STRICT, WITHOUT ROWID", or NULL */
	const char *index_hint; /* pins a read to its index, with the index's name behind it: " INDEXED BY ", or NULL */
	uint32_t partitions;    /* by the hash of its root a table lies in so many parts; below 2: in one */
	/* A text in a key or an index, where that wants a length: "VARBINARY(256)"; NULL: type_text. A later version's
	 * index can hold no text that had no index before. */
	const char *type_text_key;
	bool full_indexes;  /* no index is partial: it holds rows with NULL, too, and no read answers them */
	bool if_not_exists; /* what is created may be there already: for stores in which DDL commits by itself */
	bool split_bounds;  /* (a, b) > (1, 2) is no range of an index here: a > 1 OR (a = 1 AND (b > 2)) */
} ff_sql_dialect;

/*
 * A text that grows. Set allocator, and leave the rest cleared; free it by ff_sql_free. Where memory runs out, `failed`
 * is set, and what is appended from then on is dropped: look once, at the end.
 */
typedef struct ff_sql_text {
	const ff_allocator *allocator;
	char *data; /* NUL-terminated once something was appended */
	size_t size;
	size_t capacity;
	bool failed;
} ff_sql_text;

/* Empties the text and keeps its memory. */
FF_API void ff_sql_clear(ff_sql_text *text);
FF_API void ff_sql_free(ff_sql_text *text);
FF_API void ff_sql_append(ff_sql_text *text, const char *words);
FF_API void ff_sql_append_name(ff_sql_text *text, const ff_sql_dialect *dialect, const char *name);

/* No parameters. A column that is added reads NULL in older rows where it is nullable, else 0 or ''. */
FF_API void ff_sql_create_table(ff_sql_text *text, const ff_sql_dialect *dialect, const ff_table *table);
FF_API void ff_sql_create_index(ff_sql_text *text, const ff_sql_dialect *dialect, const ff_table *table,
                                const ff_index *index);
FF_API void ff_sql_add_column(ff_sql_text *text, const ff_sql_dialect *dialect, const ff_table *table,
                              const ff_column *column);

/* All statements that bring a store of schema version `from` (0: an empty one) to the catalog's, each with a semicolon:
 * its tables, columns and indexes. */
FF_API void ff_sql_migrate(ff_sql_text *text, const ff_sql_dialect *dialect, const ff_catalog *catalog, uint32_t from);

/* Answers all columns in table order. Parameters: the key columns. */
FF_API void ff_sql_select_key(ff_sql_text *text, const ff_sql_dialect *dialect, const ff_table *table);

/*
 * Answers all columns in table order, rows in the read's order. Only the read's shape is looked at: table, index,
 * counts and flags. Parameters: the first max(equal_count, low_count) columns of the order from `low`; then those from
 * equal_count to high_count from `high`; then the limit.
 */
FF_API void ff_sql_select_range(ff_sql_text *text, const ff_sql_dialect *dialect, const ff_read *read);

/* Equal for two ranges of one table exactly where ff_sql_select_range (or ff_sql_delete_range) writes the same. */
FF_API uint32_t ff_sql_range_shape(const ff_read *read);

/* Parameters: all columns in table order. */
FF_API void ff_sql_insert(ff_sql_text *text, const ff_sql_dialect *dialect, const ff_table *table);

/* The value columns that a PUT with a row before it changes, as a mask for ff_sql_update: those that differ between `before`
 * and `after`, and all where the stored row is corrupt. 0: there is nothing to set. */
FF_API uint32_t ff_sql_changed_columns(const ff_write *write);

/* Bit i of `mask` names column i; at least one, none of the key. Parameters: those columns in table order, then the key
 * columns. */
FF_API void ff_sql_update(ff_sql_text *text, const ff_sql_dialect *dialect, const ff_table *table, uint32_t mask);

/* Parameters: the key columns. */
FF_API void ff_sql_delete_key(ff_sql_text *text, const ff_sql_dialect *dialect, const ff_table *table);

/* Deletes the rows of a range, whatever its limit and direction. Parameters: as ff_sql_select_range, but no limit. */
FF_API void ff_sql_delete_range(ff_sql_text *text, const ff_sql_dialect *dialect, const ff_read *range);

/*
 * Statements on many rows at once, for stores that know a table's rows as a type, and arrays of it, as PostgreSQL does.
 * The one parameter is an array of such rows; a column that is not named below may be anything in them, such as NULL. In
 * such a row the columns have the order of the store's own table, which differs from the descriptor's where they were
 * added later. None may be called "ordinality", which is what PostgreSQL calls the number of a row.
 */

/* Answers, of each key that is there, its number in the array from 1 on, then all columns in table order; in any order.
 * Looks at the key columns. */
FF_API void ff_sql_select_keys(ff_sql_text *text, const ff_sql_dialect *dialect, const ff_table *table);

/* Looks at all columns. */
FF_API void ff_sql_insert_rows(ff_sql_text *text, const ff_sql_dialect *dialect, const ff_table *table);

/* As ff_sql_update and ff_sql_delete_key, for each row; looks at the columns that those have parameters for. Where one of
 * them is not there the statement fails (a division by zero), so that what stands behind it in a pipeline is not done
 * either. */
FF_API void ff_sql_update_rows(ff_sql_text *text, const ff_sql_dialect *dialect, const ff_table *table, uint32_t mask);
FF_API void ff_sql_delete_keys(ff_sql_text *text, const ff_sql_dialect *dialect, const ff_table *table);

/* No statement, but a condition: each of the rows is there, and no other in any column. They are parameter `number`. */
FF_API void ff_sql_expect_rows(ff_sql_text *text, const ff_sql_dialect *dialect, const ff_table *table,
                               unsigned number);

#endif
