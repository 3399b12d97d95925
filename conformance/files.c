/* The harness for stores that are files or directories of their own, and for those of a server. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cases.h"

typedef struct files_harness {
	ff_harness harness; /* first: a pointer to it is one to the whole */
	char *scheme;       /* "sqlite:" */
	char *path;
	char *parameters; /* "?durability=none", or empty */
	char *uri;
	unsigned made;
} files_harness;

static bool fits(int length)
{
	return length > 0 && length < FF_URI_SIZE;
}

static bool make_file(void *context, char uri[FF_URI_SIZE])
{
	files_harness *files = context;
	return fits(snprintf(uri, FF_URI_SIZE, "%s%s-%ld-%u%s", files->scheme, files->path, (long)getpid(),
	                     files->made++, files->parameters));
}

static bool make_same(void *context, char uri[FF_URI_SIZE])
{
	files_harness *files = context;
	return fits(snprintf(uri, FF_URI_SIZE, "%s", files->uri));
}

/* Puts the store's number in the place of the first {}. */
static bool make_numbered(void *context, char uri[FF_URI_SIZE])
{
	files_harness *files = context;
	const char *place = strstr(files->uri, "{}");
	return fits(snprintf(uri, FF_URI_SIZE, "%.*s%ld_%u%s", (int)(place - files->uri), files->uri, (long)getpid(),
	                     files->made++, place + 2));
}

static bool make_impatient(void *context, const char *uri, char impatient[FF_URI_SIZE])
{
	(void)context;
	return fits(snprintf(impatient, FF_URI_SIZE, "%s%cbusy_timeout_ms=0", uri, strchr(uri, '?') ? '&' : '?'));
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
	(void)status;
	(void)kind;
	(void)walk;
	return remove(path);
}

static bool path_of(void *context, const char *uri, char path[FF_URI_SIZE])
{
	const files_harness *files = context;
	const char *begin = uri + strlen(files->scheme);
	return fits(snprintf(path, FF_URI_SIZE, "%.*s", (int)strcspn(begin, "?"), begin));
}

void ffp_files_walk(const char *path,
                    int (*visit)(const char *path, const struct stat *status, int kind, struct FTW *walk))
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	char folder[FF_URI_SIZE];
	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
	DIR *entries = *name ? opendir(*folder ? folder : "/") : NULL; /* no name is the beginning of all */
	if (!entries)
		return;
	size_t length = strlen(name);
	for (struct dirent *entry = readdir(entries); entry; entry = readdir(entries)) {
		char next = entry->d_name[length <= strlen(entry->d_name) ? length : 0];
		if (strncmp(entry->d_name, name, length) != 0 || (next >= '0' && next <= '9'))
			continue;
		char found[2 * FF_URI_SIZE];
		snprintf(found, sizeof(found), "%s/%s", folder, entry->d_name);
		nftw(found, visit, 8, FTW_DEPTH | FTW_PHYS);
	}
	closedir(entries);
}

/* The store and what lies beside it by the name's beginning: journals, lock files. */
static void destroy_files(void *context, const char *uri)
{
	char path[FF_URI_SIZE];
	if (path_of(context, uri, path))
		ffp_files_walk(path, remove_entry);
}

static void destroy_nothing(void *context, const char *uri)
{
	(void)context;
	(void)uri;
}

static void make_last_folder(const char *path)
{
	char folder[FF_URI_SIZE];
	snprintf(folder, sizeof(folder), "%s", path);
	char *slash = strrchr(folder, '/');
	if (slash && slash != folder) {
		*slash = '\0';
		mkdir(folder, 0777);
	}
}

const ff_harness *ff_harness_for_files(const char *uri)
{
	const char *colon = uri ? strchr(uri, ':') : NULL;
	bool numbered = uri && strstr(uri, "{}");
	if (!colon || colon == uri || !colon[1] || colon[1] == '?' || strlen(uri) > FF_URI_SIZE / 2 ||
	    (strchr(uri, '%') && !numbered))
		return NULL;
	files_harness *files = calloc(1, sizeof(*files));
	if (!files)
		return NULL;
	size_t path_length = strcspn(colon + 1, "?");
	files->scheme = strndup(uri, (size_t)(colon - uri) + 1);
	files->path = strndup(colon + 1, path_length);
	files->parameters = strdup(colon + 1 + path_length);
	files->uri = strdup(uri);
	if (!files->scheme || !files->path || !files->parameters || !files->uri) {
		ff_harness_free(&files->harness);
		return NULL;
	}
	bool alone = colon[1] == ':';
	bool (*make)(void *context, char uri[FF_URI_SIZE]) = numbered ? make_numbered : make_file;
	files->harness = (ff_harness){
		.name = files->uri,
		.context = files,
		.make = alone ? make_same : make,
		.shared = !alone,
		.missing = alone ? NULL : make,
		.impatient = alone ? NULL : make_impatient,
		.path = alone || numbered ? NULL : path_of,
		.destroy = alone || numbered ? destroy_nothing : destroy_files,
	};
	if (!alone && !numbered)
		make_last_folder(files->path);
	return &files->harness;
}

void ff_harness_free(const ff_harness *harness)
{
	files_harness *files = (files_harness *)(uintptr_t)harness;
	if (!files)
		return;
	free(files->scheme);
	free(files->path);
	free(files->parameters);
	free(files->uri);
	free(files);
}
