/* Connections: what a URI says of them, opening and dropping them, and what the server's errors mean. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <xxhash.h>

const ff_sql_dialect ffp_postgres_dialect = {
	.placeholder = '$',
	.quote = '"',
	.type_int64 = "bigint",
	.type_text = "text COLLATE \"C\"",
};

/* ---- errors ------------------------------------------------------------------------------------------------- */

enum {
	RETRY = 1,   /* the session is over, or never began, or took too long; another one may do */
	ANEW = 2,    /* what is known of the session holds no more, and a new one will do */
	SETTLED = 4, /* a refusal that only people can change */
	PASSES = 8   /* contention, where the connection is of an earlier transaction: the next one knows better */
};

/* What an SQLSTATE means, or a class of them; the first that fits. */
typedef struct meaning {
	const char *state;
	ff_code code;
	unsigned flags;
} meaning;

static const meaning meanings[] = {
	{ "08", FF_E_IO, RETRY },           /* connection_exception */
	{ "0A000", FF_E_IO, RETRY | ANEW }, /* a standby takes no writes; a column is of another type than it was */
	{ "22012", FF_E_CONFLICT, 0 },      /* a row that was loaded is gone: the count of a statement on many rows */
	{ "22023", FF_E_IO, SETTLED },      /* a setting that the server does not take, such as one of PGOPTIONS */
	{ "22P02", FF_E_CONFLICT, ANEW },   /* the session was given to another client, where it says so */
	{ "23505", FF_E_CONFLICT, 0 },      /* a new row is there already */
	{ "25001", FF_E_IO, SETTLED },      /* an isolation that PGOPTIONS sets */
	{ "25006", FF_E_IO, RETRY | ANEW }, /* a server that takes no writes any more */
	{ "25P02", FF_E_IO, RETRY | ANEW }, /* the transaction before was not rolled back */
	{ "25P03", FF_E_CONFLICT, 0 },      /* idle_in_transaction_session_timeout: rolled back */
	{ "26000", FF_E_IO, RETRY | ANEW }, /* what was prepared is gone */
	{ "28", FF_E_IO, SETTLED },         /* no such user, wrong password */
	{ "3D", FF_E_IO, SETTLED },         /* no such database */
	{ "3F000", FF_E_CORRUPT, 0 },       /* the schema is gone */
	{ "40001", FF_E_CONFLICT, 0 },      /* serialization_failure */
	{ "40P01", FF_E_CONFLICT, 0 },      /* deadlock_detected */
	{ "42501", FF_E_IO, SETTLED },      /* insufficient_privilege */
	{ "42804", FF_E_CORRUPT, ANEW | PASSES }, /* a table was changed: its rows are not made of what they were */
	{ "42P01", FF_E_CORRUPT, ANEW }, /* a table is gone, or the right to use the schema, which connecting tells */
	{ "42P05", FF_E_IO, RETRY | ANEW }, /* what was prepared is not ours */
	{ "42", FF_E_CORRUPT, SETTLED },    /* all statements are ours, so a table or column is gone, or not ours */
	{ "53100", FF_E_FULL, 0 },          /* disk_full */
	{ "53300", FF_E_BUSY, 0 },          /* too many connections */
	{ "55000", FF_E_IO, SETTLED },      /* the database lets nobody in */
	{ "55P03", FF_E_BUSY, 0 },          /* lock_timeout */
	{ "57014", FF_E_IO, RETRY },        /* statement_timeout */
	{ "57P", FF_E_IO, RETRY },          /* the server goes down, or the session was ended */
	{ "XX000", FF_E_IO, ANEW },         /* internal_error: a table was made anew */
	{ "XX001", FF_E_CORRUPT, 0 },       /* data_corrupted */
	{ "XX002", FF_E_CORRUPT, 0 },       /* index_corrupted */
	{ "", FF_E_IO, 0 },
};

static const meaning *meaning_of(const char *state, const char *message)
{
	const meaning *found = meanings;
	if (strcmp(state, "22P02") == 0 && !strstr(message, FFP_POSTGRES_NOT_OURS))
		state = ""; /* a trigger, or a policy of rows, has read a text as something else */
	while (strncmp(state, found->state, strlen(found->state)) != 0)
		found++;
	return found;
}

bool ffp_postgres_is_outdated(const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	return state && meaning_of(state, message ? message : "")->flags & ANEW;
}

/* The SQLSTATE in a message of libpq, where the server refused the connection: "FATAL:  53300: sorry, …". */
static const char *state_in(const char *message, char state[6])
{
	state[0] = '\0';
	for (const char *at = strstr(message, ":  "); at; at = strstr(at + 1, ":  ")) {
		if (strspn(at + 3, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 && at[8] == ':') {
			snprintf(state, 6, "%.5s", at + 3);
			return at + 9 + strspn(at + 9, " ");
		}
	}
	/* libpq tells of one host after the other; the last one is why there was no further one. */
	for (const char *at = message; (at = strstr(at, "\nconnection to server")) != NULL;)
		message = ++at;
	return message;
}

static ff_code code_of(const ff_txn *txn, const meaning *of)
{
	if (!txn->pg)
		return FF_E_NO_MEMORY;
	return txn->is_known && of->flags & PASSES ? FF_E_CONFLICT : of->code;
}

ff_code ffp_postgres_fail(ff_txn *txn, const PGresult *result, const char *doing, ff_error *error)
{
	char found[6];
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY); /* of no result: NULL */
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
	if (!message) {
		message = state_in(txn->pg ? PQerrorMessage(txn->pg) : "out of memory", found);
		message = txn->silent && !*found ? "" : message; /* libpq tells of a reset, which was ours */
		state = found;
	}
	state = state ? state : "";
	/* Memory that is out may be that for locks; the hint alone tells which setting is too low. */
	if (strcmp(state, "53200") != 0)
		hint = NULL;
	/* libpq says nothing, or leaves the end of what it says to whoever waited in vain. */
	int size = (int)strcspn(message, "\n");
	bool is_silent = size == 0 || (!result && message[size - 1] == ' ');
	const meaning *of = meaning_of(state, message);
	ff_error_set(error, code_of(txn, of), "cannot %s '%s': %.*s%s%s%s", doing, txn->store->name, size, message,
	             is_silent ? "nobody answered" : "", hint ? ": " : "", hint ? hint : "");
	snprintf(error->native_code, sizeof(error->native_code), "%s", state);
	error->retryable |= PQstatus(txn->pg) == CONNECTION_BAD || of->flags & RETRY;
	return txn->late ? ffp_postgres_ask(txn, error) : error->code;
}

/* ---- settings ----------------------------------------------------------------------------------------------- */

static const char *const known[] = {
	/* Ours. */
	"schema", "pool", "busy_timeout_ms", "statement_timeout_ms", "durability", "partitions",
	/* Those of libpq that make sense in a URI of a store. It knows none of ours. */
	"host", "port", "user", "dbname", "passfile", "sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl",
	"connect_timeout", "application_name", "target_session_attrs", "tcp_user_timeout", "channel_binding",
	"gssencmode", "service", NULL
};

/*
 * What libpq takes only one of some words for. It would say so, but when a connection begins, and in nothing but words:
 * like that a host's name is unknown or nobody listens, which may be otherwise a moment later.
 */
static const struct {
	const char *name, *words;
} choices[] = {
	{ "sslmode", "disable allow prefer require verify-ca verify-full" },
	{ "target_session_attrs", "any read-write read-only primary standby prefer-standby" },
	{ "channel_binding", "disable prefer require" },
	{ "gssencmode", "disable prefer require" },
};

static bool is_among(const char *words, const char *word)
{
	for (size_t size = strlen(word); *words; words += strcspn(words, " "), words += *words == ' ')
		if (strcspn(words, " ") == size && strncmp(words, word, size) == 0)
			return true;
	return false;
}

/* An empty one is to libpq one that was not given. */
static ff_code check_choices(const ff_store_config *config, ff_error *error)
{
	for (size_t i = 0; i < sizeof(choices) / sizeof(*choices); i++) {
		const char *value = ff_config_param(config, choices[i].name);
		if (value && *value && !is_among(choices[i].words, value))
			return ff_error_set(error, FF_E_INVALID, "parameter '%s' is '%s', it takes one of: %s",
			                    choices[i].name, value, choices[i].words);
	}
	return FF_OK;
}

static PQconninfoOption *option(PQconninfoOption *options, const char *keyword)
{
	PQconninfoOption *at = options;
	while (at->keyword && strcmp(at->keyword, keyword) != 0)
		at++;
	return at->keyword ? at : NULL;
}

/* libpq owns the options, and frees them as it takes them. What it does not know is left out: what is ours, and what is
 * newer than it. */
static bool give(const ff_store *store, const char *keyword, const char *value)
{
	PQconninfoOption *found = option(store->options, keyword);
	char *copy = found ? strdup(value) : NULL;
	if (copy) {
		free(found->val);
		found->val = copy;
	}
	return copy || !found;
}

/* Who and where, as libpq reads it. */
static ff_code parse_uri(ff_store *store, const ff_store_config *config, ff_error *error)
{
	const char *place = strchr(config->uri, ':');
	char *uri = NULL;
	if (strncmp(config->path, "//", 2) != 0)
		return ff_error_set(error, FF_E_INVALID, "the store is none of the form '%s://USER@HOST/DATABASE'",
		                    config->scheme);
	if (asprintf(&uri, "postgresql%.*s", (int)strcspn(place, "?"), place) < 0)
		return ff_error_set(error, FF_E_NO_MEMORY, "out of memory for the store's URI");
	char *fault = NULL; /* NULL still where memory was out */
	store->options = PQconninfoParse(uri, &fault);
	free(uri);
	if (store->options)
		return FF_OK;
	/* What libpq says quotes the URI, password and all. */
	ff_code code = fault ? ff_error_set(error, FF_E_INVALID, "libpq cannot read the store's URI")
	                     : ff_error_set(error, FF_E_NO_MEMORY, "out of memory for the store's URI");
	PQfreemem(fault);
	return code;
}

/* The URI's parameters that are libpq's, and what is otherwise than its defaults. */
static ff_code give_options(const ff_store *store, const ff_store_config *config, ff_error *error)
{
	const char *timeout = getenv("PGCONNECT_TIMEOUT"); /* libpq looks there where nothing is given */
	timeout = timeout && *timeout ? timeout : "10";
	if (!ff_config_param(config, "connect_timeout") &&
	    (strspn(timeout, "0123456789") != strlen(timeout) || strlen(timeout) > 9))
		return ff_error_set(error, FF_E_INVALID, "PGCONNECT_TIMEOUT is '%s', which is no number of seconds",
		                    timeout);
	bool given = give(store, "client_encoding", "UTF8") && give(store, "fallback_application_name", "ff") &&
	             give(store, "connect_timeout", timeout);
	for (size_t i = 0; i < config->params_count; i++)
		given = given && give(store, config->params[i].name, config->params[i].value);
	return given ? FF_OK : ff_error_set(error, FF_E_NO_MEMORY, "out of memory for the store's URI");
}

/* How many there are between commas. */
static size_t count_of(const char *list)
{
	size_t count = 1;
	while ((list = strchr(list, ',')))
		list++, count++;
	return count;
}

/* One for each host, or one for all; an empty one is the default. */
static ff_code check_ports(const ff_store *store, ff_error *error)
{
	const char *ports = option(store->options, "port")->val;
	const char *hosts = option(store->options, "host")->val;
	ports = ports ? ports : "";
	if (hosts && count_of(ports) != 1 && count_of(ports) != count_of(hosts))
		return ff_error_set(error, FF_E_INVALID, "the store names %zu ports for %zu hosts", count_of(ports),
		                    count_of(hosts));
	for (const char *at = ports; *at; at += *at == ',') {
		size_t size = strcspn(at, ",");
		size_t digits = strspn(at, "0123456789");
		long port = size ? strtol(at, NULL, 10) : 1;
		if (digits != size || port < 1 || port > UINT16_MAX)
			return ff_error_set(error, FF_E_INVALID, "port '%.*s' is no integer 1 to %d", (int)size, at,
			                    UINT16_MAX);
		at += size;
	}
	return FF_OK;
}

static ff_code read_numbers(ff_store *store, const ff_store_config *config, ff_error *error)
{
	int64_t of_libpq; /* which reads them itself, when a connection begins */
	const struct {
		const char *name;
		int64_t min, max, otherwise;
		int64_t *value;
	} numbers[] = {
		{ "pool", 1, 1000, 1, &store->pool },
		{ "partitions", 1, 1024, 1, &store->partitions },
		{ "busy_timeout_ms", 0, INT32_MAX, 5000, &store->busy_timeout_ms },
		{ "statement_timeout_ms", 0, INT32_MAX / 2, 30000, &store->statement_timeout_ms },
		{ "connect_timeout", INT32_MIN, INT32_MAX, 0, &of_libpq },
		{ "tcp_user_timeout", INT32_MIN, INT32_MAX, 0, &of_libpq },
	};
	ff_code code = FF_OK;
	for (size_t i = 0; code == FF_OK && i < sizeof(numbers) / sizeof(*numbers); i++) {
		*numbers[i].value = numbers[i].otherwise;
		code =
		    ff_config_int64(config, numbers[i].name, numbers[i].min, numbers[i].max, numbers[i].value, error);
	}
	return code;
}

/* Names that the server keeps for itself, and one that its search_path takes for another. */
static ff_code check_schema(const ff_store *store, const char *schema, ff_error *error)
{
	size_t size = strlen(schema);
	if (!size || size >= sizeof(store->schema) || !ff_text_is_valid(schema, size))
		return ff_error_set(error, FF_E_INVALID, "parameter 'schema' takes a name of 1 to 63 bytes of UTF-8");
	if (strncmp(schema, "pg_", 3) == 0 || strcmp(schema, "$user") == 0)
		return ff_error_set(
		    error, FF_E_INVALID,
		    "parameter 'schema' is '%s': names that begin with pg_, and $user, are PostgreSQL's", schema);
	return FF_OK;
}

ff_code ffp_postgres_settings_read(ff_store *store, const ff_store_config *config, ff_error *error)
{
	const char *schema = ff_config_param(config, "schema");
	schema = schema ? schema : "ff";
	ff_code code = ff_config_check(config, known, error);
	if (code == FF_OK)
		code = ff_config_durability(config, &store->durability, error);
	if (code == FF_OK)
		code = read_numbers(store, config, error);
	if (code == FF_OK)
		code = check_choices(config, error);
	if (code == FF_OK)
		code = check_schema(store, schema, error);
	if (code == FF_OK)
		code = parse_uri(store, config, error);
	if (code == FF_OK)
		code = give_options(store, config, error);
	if (code == FF_OK)
		code = check_ports(store, error);
	if (code != FF_OK)
		return code;
	snprintf(store->schema, sizeof(store->schema), "%s", schema);
	/* Locks are the database's, and a store is a schema. */
	store->lock_base = XXH64(schema, strlen(schema), 0) & ~UINT64_C(0xfff);
	return FF_OK;
}

/* ---- connecting --------------------------------------------------------------------------------------------- */

/* Who finds nobody waits a little longer each time, so that many who try do not keep a server from coming back. Who is
 * late before that is over has waited for the next one, or calls with short deadlines would never try again. */
static ff_code back_off(ff_txn *txn, ff_error *error)
{
	unsigned failures = txn->store->failures;
	if (failures == 0)
		return FF_OK;
	ffp_postgres_wait(txn, 0, INT64_C(5) << failures);
	ff_code code = ffp_postgres_ask(txn, error);
	if (code != FF_OK)
		txn->store->failures = failures - 1;
	return code;
}

/* A library prints nothing. */
static void say_nothing(void *context, const PGresult *notice)
{
	(void)context;
	(void)notice;
}

/* More than any libpq has. */
enum { OPTIONS_MAX = 128 };

/*
 * Whether it was we who gave up a connection whose encryption was negotiated, which only people can change: the server
 * has none, nobody vouches for its certificate, it is another's, or a file of ours cannot be read. libpq has no code for
 * that. But a server that was lost has ended the socket; one that was refused still waits, or has said more than was
 * read. (A server that refused us is seen either way.)
 */
static bool is_refused_by_us(const ff_txn *txn, ConnStatusType stage)
{
	char byte;
	if (stage != CONNECTION_SSL_STARTUP)
		return false;
	ssize_t peeked = recv(PQsocket(txn->pg), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return peeked > 0 || (peeked < 0 && errno == EAGAIN);
}

typedef enum attempt { REACHED, FAILED, REFUSED_BY_US, SILENT } attempt;

/* Hosts and ports: NULL: those of the options. */
static attempt try_hosts(ff_txn *txn, const char *hosts, const char *ports)
{
	ff_store *store = txn->store;
	const char *keywords[OPTIONS_MAX] = { NULL };
	const char *values[OPTIONS_MAX] = { NULL };
	int64_t timeout_ms = 1000 * (int64_t)atoi(option(store->options, "connect_timeout")->val);
	unsigned count = 0;
	for (; count < OPTIONS_MAX - 3 && store->options[count].keyword; count++) {
		keywords[count] = store->options[count].keyword;
		values[count] = store->options[count].val; /* NULL: as if it was not named */
	}
	keywords[count] = "host"; /* of what is named twice libpq takes the last */
	values[count++] = hosts;
	keywords[count] = "port";
	values[count] = ports && !*ports ? option(store->options, "port")->compiled : ports; /* "" would be none */
	ff_standard_hold();
	txn->silent = false; /* as the host before may have been */
	txn->pg = PQconnectStartParams(keywords, values, 0);
	if (!txn->pg)
		return FAILED;
	/* Only now is known what the environment and libpq's files say; and only open comes here without a name. */
	if (!store->name[0])
		snprintf(store->name, sizeof(store->name), "%s:%s/%s", PQhost(txn->pg), PQport(txn->pg),
		         PQdb(txn->pg) ? PQdb(txn->pg) : "");
	if (PQstatus(txn->pg) == CONNECTION_BAD)
		return FAILED;
	PQsetNoticeReceiver(txn->pg, say_nothing, NULL);
	PQsetErrorVerbosity(txn->pg, PQERRORS_VERBOSE); /* the SQLSTATE of a refusal is told nowhere else */
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;
	while (status != PGRES_POLLING_OK) {
		ConnStatusType stage = PQstatus(txn->pg);
		short events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT;
		txn->silent = !ffp_postgres_wait(txn, events, timeout_ms > 0 ? timeout_ms : -1);
		if (txn->silent) {
			if (txn->late)
				return SILENT;
			/* libpq then takes an address that it has not reached for one that refuses, and tries the next. */
			shutdown(PQsocket(txn->pg), SHUT_RDWR);
		}
		status = PQconnectPoll(txn->pg);
		if (status == PGRES_POLLING_FAILED)
			return txn->silent ? SILENT : is_refused_by_us(txn, stage) ? REFUSED_BY_US : FAILED;
	}
	return REACHED;
}

/* An element that is empty is the default; behind a list's end, one stands for all. */
static bool begins_with(const char *list, const char *element)
{
	size_t size = list ? strcspn(list, ",") : 0;
	return size == 0 || (size == strlen(element) && memcmp(list, element, size) == 0);
}

static const char *behind_first(const char *list)
{
	list = list ? strchr(list, ',') : NULL;
	return list ? list + 1 : NULL;
}

/* Leaves in the lists what comes behind the host that was tried last. False: nothing does. */
static bool go_on(const ff_txn *txn, const char **hosts, const char **ports)
{
	bool found = false;
	while (*hosts && !found) {
		found = begins_with(*hosts, PQhost(txn->pg)) && begins_with(*ports, PQport(txn->pg));
		*hosts = behind_first(*hosts);
		*ports = behind_first(*ports); /* of one for all nothing is left, and then that of the options holds */
	}
	return *hosts != NULL;
}

/* libpq itself goes on only from a host that it cannot reach: not from one that takes the connection and says nothing. */
static attempt reach(ff_txn *txn)
{
	const char *hosts = NULL;
	const char *ports = NULL;
	PQconninfoOption *told = NULL; /* which, unlike ours, has what the environment and libpq's files say */
	attempt ended;
	while ((ended = try_hosts(txn, hosts, ports)) == SILENT && !txn->late) {
		if (!told && (told = PQconninfo(txn->pg)) != NULL && !option(told, "hostaddr")->val) {
			hosts = option(told, "host")->val;
			ports = option(told, "port")->val;
		}
		if (!go_on(txn, &hosts, &ports))
			break;
		PQfinish(txn->pg);
	}
	PQconninfoFree(told);
	return ended;
}

static void write_setup(const ff_txn *txn, ff_sql_text *sql)
{
	const ff_store *store = txn->store;
	char numbers[256];
	int64_t busy_ms = store->busy_timeout_ms ? store->busy_timeout_ms : 1; /* 0 would be for ever */
	ff_sql_clear(sql);
	/* A standby has nothing to do with serializable, which may be the default. */
	ff_sql_append(sql, "BEGIN ISOLATION LEVEL READ COMMITTED; SET search_path TO ");
	ff_sql_append_name(sql, &ffp_postgres_dialect, store->schema);
	/* A schema that may not be used is passed over, as if it were not there, unless it is named. */
	ff_sql_append(sql, "; SELECT to_regclass(current_setting('search_path') || '.ff_schema')");
	/* Plans are made once, and for one way only: a loop over the keys, each looked up in an index. A plan that was
	 * made while a table was empty is then as good as any. */
	ff_sql_append(sql, "; SET default_transaction_isolation TO 'read committed'; SET plan_cache_mode TO "
	                   "force_generic_plan; SET enable_seqscan TO off; SET enable_sort TO"
	                   " off; SET enable_hashjoin TO off; SET enable_mergejoin TO off; SET jit TO off; SET "
	                   "synchronous_commit TO ");
	ff_sql_append(sql, store->durability == FF_DURABILITY_FULL ? "on" : "off");
	snprintf(numbers, sizeof(numbers),
	         "; SET lock_timeout TO %lld; SET statement_timeout TO %lld; SET idle_in_transaction_session_timeout"
	         " TO %lld; SELECT set_config('ff.session', '%s', false)",
	         (long long)busy_ms, (long long)store->statement_timeout_ms, (long long)store->statement_timeout_ms,
	         txn->session);
	/* Whoever is gone waits for nothing: what the server was asked is dropped within a tenth of a second, and with it
	 * the locks. Else it would go on until there is something to send. The setting came with PostgreSQL 14, and not
	 * on every system. */
	ff_sql_append(sql, "; SELECT set_config(name, '100', false) FROM pg_settings WHERE name ="
	                   " 'client_connection_check_interval' AND version() LIKE '%linux%'");
	ff_sql_append(sql, numbers);
	ff_sql_append(sql, "; COMMIT");
}

static ff_code set_up(ff_txn *txn, ff_error *error)
{
	uint64_t random;
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return ff_error_set(error, FF_E_IO, "the system has no random number for a session");
	snprintf(txn->session, sizeof(txn->session), "%016llx", (unsigned long long)random);
	write_setup(txn, &txn->sql);
	return ffp_postgres_run_text(txn, "set up", NULL, error);
}

ff_code ffp_postgres_connect(ff_txn *txn, ff_error *error)
{
	ff_store *store = txn->store;
	txn->is_known = false;
	ff_code code = back_off(txn, error);
	if (code != FF_OK)
		return code;
	unsigned failures = store->failures;
	attempt ended = reach(txn);
	if (ended != REACHED) {
		code = ffp_postgres_fail(txn, NULL, "connect to", error);
		bool settled = meaning_of(error->native_code, error->message)->flags & SETTLED;
		error->retryable = ended != REFUSED_BY_US && !settled;
	}
	if (code == FF_OK)
		code = set_up(txn, error);
	if (code == FF_E_CORRUPT) /* it is the connection: of the store nothing was asked yet */
		code = error->code = FF_E_IO;
	if (code == FF_OK)
		store->failures = 0;
	else if (!txn->late)
		store->failures = failures < 8 ? failures + 1 : 8;
	if (code != FF_OK)
		ffp_postgres_disconnect(txn);
	return code;
}

/* Puts nothing in the place of a parent's socket, so that a goodbye does not reach its server. False: it would. */
static bool leave_socket(const ff_txn *txn)
{
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (nothing < 0)
		return false;
	bool left = PQsocket(txn->pg) < 0 || dup2(nothing, PQsocket(txn->pg)) >= 0;
	close(nothing);
	return left;
}

void ffp_postgres_disconnect(ff_txn *txn)
{
	/* Where a child can put nothing there, what it has of the connection is never given back. */
	if (txn->pg && (txn->process == getpid() || leave_socket(txn)))
		PQfinish(txn->pg);
	txn->pg = NULL;
	txn->stage = FFP_POSTGRES_NEW;
	txn->no_memory = txn->silent = false;
	txn->prepared.count = txn->sent.count = 0;
	memset(txn->locks, 0, sizeof(txn->locks));
}

/* ---- a connection's memory ---------------------------------------------------------------------------------- */

void *ffp_postgres_list_add(ff_txn *txn, ffp_postgres_list *list, size_t count, size_t size)
{
	const ff_allocator *allocator = txn->store->allocator;
	if ((list->count + count) * size > list->capacity) {
		size_t capacity = 2 * list->capacity + count * size + 1024;
		void *items = allocator->resize(allocator->context, list->items, list->capacity, capacity);
		txn->no_memory |= !items;
		if (!items)
			return NULL;
		list->items = items;
		list->capacity = capacity;
	}
	list->count += count;
	return (char *)list->items + (list->count - count) * size;
}

static void free_list(ff_txn *txn, ffp_postgres_list *list)
{
	if (list->items)
		txn->store->allocator->resize(txn->store->allocator->context, list->items, list->capacity, 0);
}

ff_txn *ffp_postgres_txn_new(ff_store *store)
{
	ff_txn *txn = store->allocator->resize(store->allocator->context, NULL, 0, sizeof(*txn));
	if (txn)
		*txn = (ff_txn){ .store = store, .process = getpid(), .sql = { .allocator = store->allocator } };
	return txn;
}

void ffp_postgres_txn_free(ff_txn *txn)
{
	const ff_allocator *allocator = txn->store->allocator;
	ffp_postgres_disconnect(txn);
	free_list(txn, &txn->prepared);
	free_list(txn, &txn->sent);
	free_list(txn, &txn->bytes);
	free_list(txn, &txn->rows);
	free_list(txn, &txn->types);
	free_list(txn, &txn->attributes);
	ff_sql_free(&txn->sql);
	allocator->resize(allocator->context, txn, sizeof(*txn), 0);
}
