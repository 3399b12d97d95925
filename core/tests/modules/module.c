/* Modules to be loaded and, most of them, to be refused: the build says by definitions what is wrong with each. */
#include <ff/backend.h>

#ifndef NAME
#define NAME "bent"
#endif
#ifndef SCHEMES
#define SCHEMES NULL
#endif
#ifndef SIZE
#define SIZE sizeof(ff_engine_backend)
#endif
#ifndef ABI
#define ABI FF_BACKEND_ABI
#endif
#ifndef CAPS
#define CAPS 0
#endif
#ifndef NEEDS
#define NEEDS 0
#endif
#ifndef STORE
#define STORE store
#endif

#if defined(NO_SYMBOL)

FF_API const int ff_backend_nothing;
const int ff_backend_nothing = 1;

#elif defined(CODE)

FF_API void ff_backend_plugin(void);
void ff_backend_plugin(void)
{
}

#elif defined(STUMP)

FF_API const uint32_t ff_backend_plugin;
const uint32_t ff_backend_plugin = SIZE;

#elif defined(HEAD_ONLY)

typedef struct head {
	uint32_t size;
	uint32_t abi_major;
	uint64_t caps;
	uint64_t needs;
	const char *name;
	const char *schemes;
	size_t instance_size;
	uint64_t reserved;
} head;

FF_API const head ff_backend_plugin;
const head ff_backend_plugin = { .size = SIZE, .abi_major = ABI, .name = NAME };

#else

#ifdef UNDEFINED
void ff_what_no_library_has(void);
#endif

static ff_code open(ff_store *store, const ff_store_config *config, ff_error *error)
{
#ifdef UNDEFINED
	ff_what_no_library_has();
#endif
	(void)store;
	return ff_error_set(error, FF_E_UNAVAILABLE, "'" NAME "' was asked for '%s'", config->path);
}

/* No store is ever open, so what is behind the other slots does not matter. */
static void close(ff_store *store)
{
	(void)store;
}

static ff_code limits(ff_store *store, ff_store_limits *limits, ff_error *error)
{
	(void)store;
	(void)limits;
	return ff_error_set(error, FF_E_IO, "no store is open");
}

static ff_code begin(ff_store *store, ff_txn_kind kind, ff_txn **txn, ff_error *error)
{
	(void)store;
	(void)kind;
	(void)txn;
	return ff_error_set(error, FF_E_IO, "no store is open");
}

static ff_code load(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t count, ff_error *error)
{
	(void)txn;
	(void)arena;
	(void)reads;
	(void)count;
	return ff_error_set(error, FF_E_IO, "no store is open");
}

static __attribute__((unused)) ff_code store(ff_txn *txn, const ff_write *writes, size_t count, ff_error *error)
{
	(void)txn;
	(void)writes;
	(void)count;
	return ff_error_set(error, FF_E_IO, "no store is open");
}

static ff_code commit(ff_txn *txn, ff_error *error)
{
	(void)txn;
	return ff_error_set(error, FF_E_IO, "no store is open");
}

static void abort_nothing(ff_txn *txn)
{
	(void)txn;
}

FF_BACKEND_PLUGIN = {
	.size = SIZE,
	.abi_major = ABI,
	.caps = CAPS,
	.needs = NEEDS,
	.name = NAME,
	.schemes = SCHEMES,
	.open = open,
	.close = close,
	.limits = limits,
	.begin = begin,
	.load = load,
	.store = STORE,
	.commit = commit,
	.abort = abort_nothing,
};

#endif
