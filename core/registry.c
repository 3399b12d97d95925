/*
 * The backends that this process knows: those compiled in, then those registered or loaded. The only state of the
 * library that outlives an engine; entries are never taken out.
 */
#include "registry.h"

#include <pthread.h>
#include <stdio.h>

#include "load.h"
#include "text.h"

#define BACKENDS_MAX 64

typedef struct entry {
	ff_engine_backend backend;
	const void *module; /* that the table was loaded from, or NULL */
} entry;

/* Fork waits until nobody has it, or a child would have it held by a thread that it has not. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t watch_once = PTHREAD_ONCE_INIT;
static entry entries[BACKENDS_MAX];
static size_t entries_count;
static bool builtins_added;

const char *ff_cap_name(uint64_t cap)
{
	switch (cap) {
	case FF_CAP_DURABLE_COMMIT:
		return "DURABLE_COMMIT";
	case FF_CAP_MULTI_PROCESS:
		return "MULTI_PROCESS";
	case FF_CAP_SNAPSHOT_READ:
		return "SNAPSHOT_READ";
	case FF_CAP_CONCURRENT_WRITERS:
		return "CONCURRENT_WRITERS";
	default:
		return NULL;
	}
}

/* Whether `word` of `size` bytes is the name of a scheme that the backend answers to. */
static bool answers_to(const ff_engine_backend *backend, const char *word, size_t size)
{
	if (strlen(backend->name) == size && memcmp(backend->name, word, size) == 0)
		return true;
	for (const char *at = backend->schemes; at && *at;) {
		size_t length = strcspn(at, " ");
		if (length == size && memcmp(at, word, size) == 0)
			return true;
		at += length + strspn(at + length, " ");
	}
	return false;
}

static const ff_engine_backend *find_locked(const char *word, size_t size)
{
	for (size_t i = 0; i < entries_count; i++)
		if (answers_to(&entries[i].backend, word, size))
			return &entries[i].backend;
	return NULL;
}

static bool is_scheme(const char *word, size_t size)
{
	if (size < 1 || size > 31 || word[0] < 'a' || word[0] > 'z')
		return false;
	return strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789-") >= size;
}

#define SLOT(name_)                                        \
	{                                                  \
#name_, offsetof(ff_engine_backend, name_) \
	}

static const struct {
	const char *name;
	size_t offset;
} mandatory_slots[] = { SLOT(open), SLOT(close), SLOT(limits), SLOT(begin),
	                SLOT(load), SLOT(store), SLOT(commit), SLOT(abort) };

static ff_code check_slots(const ff_engine_backend *backend, ff_error *error)
{
	for (size_t i = 0; i < sizeof(mandatory_slots) / sizeof(*mandatory_slots); i++) {
		void (*slot)(void);
		memcpy(&slot, (const char *)backend + mandatory_slots[i].offset, sizeof(slot));
		if (!slot)
			return ff_error_set(error, FF_E_INVALID, "backend '%s' lacks the slot '%s'", backend->name,
			                    mandatory_slots[i].name);
	}
	return FF_OK;
}

/* What can be told without the lock. `copy` has the size that this library knows. */
static ff_code check_backend(const ff_engine_backend *copy, ff_error *error)
{
	if (!copy->name || !is_scheme(copy->name, strlen(copy->name)))
		return ff_error_set(error, FF_E_INVALID, "backend name '%s' is not 1 to 31 of a-z, 0-9 and '-'",
		                    copy->name ? copy->name : "");
	if (copy->caps & ~FF_CAPS_KNOWN)
		return ff_error_set(error, FF_E_INVALID, "backend '%s' claims unknown capabilities 0x%llx", copy->name,
		                    (unsigned long long)(copy->caps & ~FF_CAPS_KNOWN));
	if (copy->needs & ~FF_NEEDS_KNOWN)
		return ff_error_set(error, FF_E_INVALID, "backend '%s' needs 0x%llx, which this library does not know",
		                    copy->name, (unsigned long long)(copy->needs & ~FF_NEEDS_KNOWN));
	if (copy->reserved)
		return ff_error_set(error, FF_E_INVALID, "backend '%s' sets the reserved word", copy->name);
	return check_slots(copy, error);
}

/* Copies what both sides know of the table: slots that one of them lacks stay NULL. */
static ff_code copy_backend(const ff_engine_backend *backend, ff_engine_backend *copy, ff_error *error)
{
	if (!backend)
		return ff_error_set(error, FF_E_INVALID, "backend is NULL");
	if (backend->abi_major != FF_BACKEND_ABI)
		return ff_error_set(error, FF_E_INVALID, "backend was built for interface %u, this library has %u",
		                    backend->abi_major, FF_BACKEND_ABI);
	if (backend->size < offsetof(ff_engine_backend, open))
		return ff_error_set(error, FF_E_INVALID, "backend's table of %u bytes is cut off", backend->size);
	size_t size = backend->size < sizeof(*copy) ? backend->size : sizeof(*copy);
	memset(copy, 0, sizeof(*copy));
	memcpy(copy, backend, size);
	return check_backend(copy, error);
}

static ff_code check_names_locked(const ff_engine_backend *backend, ff_error *error)
{
	if (find_locked(backend->name, strlen(backend->name)))
		return ff_error_set(error, FF_E_INVALID, "a backend '%s' is registered already", backend->name);
	for (const char *at = backend->schemes; at && *at;) {
		size_t length = strcspn(at, " ");
		if (!is_scheme(at, length))
			return ff_error_set(error, FF_E_INVALID, "backend '%s' has a malformed scheme '%.*s'",
			                    backend->name, (int)length, at);
		if (find_locked(at, length))
			return ff_error_set(error, FF_E_INVALID, "scheme '%.*s' is registered already", (int)length,
			                    at);
		at += length + strspn(at + length, " ");
	}
	return FF_OK;
}

static ff_code add_locked(const ff_engine_backend *backend, const void *module, ff_text scheme, ff_error *error)
{
	for (size_t i = 0; module && i < entries_count; i++)
		if (entries[i].module == module)
			return FF_OK;
	ff_engine_backend copy;
	ff_code code = copy_backend(backend, &copy, error);
	if (code == FF_OK && scheme.size && !answers_to(&copy, scheme.data, scheme.size))
		code = ff_error_set(error, FF_E_INVALID, "backend '%s' does not answer to '%.*s'", copy.name,
		                    FFP_SHOWN(scheme));
	if (code == FF_OK)
		code = check_names_locked(&copy, error);
	if (code == FF_OK && entries_count == BACKENDS_MAX)
		code = ff_error_set(error, FF_E_INVALID, "more than %d backends", BACKENDS_MAX);
	if (code == FF_OK)
		entries[entries_count++] = (entry){ copy, module };
	return code;
}

static void take_lock(void)
{
	pthread_mutex_lock(&lock);
}

static void give_lock(void)
{
	pthread_mutex_unlock(&lock);
}

static void watch_forks(void)
{
	pthread_atfork(take_lock, give_lock, give_lock);
}

static void enter(void)
{
	pthread_once(&watch_once, watch_forks);
	take_lock();
	if (builtins_added)
		return;
	builtins_added = true;
	for (size_t i = 0; ffp_builtin_backends[i]; i++)
		add_locked(ffp_builtin_backends[i], NULL, (ff_text){ NULL, 0 }, NULL);
}

ff_code ffp_backend_add(const ff_engine_backend *backend, const void *module, ff_text scheme, ff_error *error)
{
	enter();
	ff_code code = add_locked(backend, module, scheme, error);
	give_lock();
	return code;
}

ff_code ff_backend_register(const ff_engine_backend *backend, ff_error *error)
{
	return ffp_backend_add(backend, NULL, (ff_text){ NULL, 0 }, error);
}

const ff_engine_backend *ffp_backend_known(ff_text scheme)
{
	enter();
	const ff_engine_backend *found = find_locked(scheme.data, scheme.size);
	give_lock();
	return found;
}

const ff_engine_backend *ff_backend_at(size_t i)
{
	enter();
	const ff_engine_backend *at = i < entries_count ? &entries[i].backend : NULL;
	give_lock();
	return at;
}

static ff_code unknown_scheme(const char *scheme, ff_error *error)
{
	char list[256] = "";
	size_t used = 0;
	const ff_engine_backend *backend;
	for (size_t i = 0; (backend = ff_backend_at(i)) && used < sizeof(list); i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "", backend->name);
	return ff_error_set(error, FF_E_INVALID,
	                    "no backend for the scheme '%s', there are: %s; and none in FF_BACKEND_PATH", scheme, list);
}

ff_code ffp_backend_find(const char *scheme, const ff_engine_backend **backend, ff_error *error)
{
	ff_text word = { scheme, strcspn(scheme, "+") };
	*backend = ffp_backend_known(word);
	if (*backend)
		return FF_OK;
	ff_code code = is_scheme(word.data, word.size) ? ffp_load_scheme(word, error) : FF_E_NOT_FOUND;
	*backend = code == FF_OK ? ffp_backend_known(word) : NULL;
	return code == FF_E_NOT_FOUND ? unknown_scheme(scheme, error) : code;
}

const ff_engine_backend *ff_backend_find(const char *scheme)
{
	const ff_engine_backend *found = NULL;
	if (scheme)
		ffp_backend_find(scheme, &found, NULL);
	return found;
}
