/* ffctl: what concerns a store as a whole. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ffctl.h"

int ctl_tick(ctl_session *session)
{
	const char *text = ctl_value(session, OPT_LIMIT);
	uint64_t limit = 0;
	if (text && !ctl_read_number(text, &limit))
		return ctl_usage(session, "--limit '%s' is no number", text);
	ff_error error;
	ff_tick_result result;
	if (ctl_open(session, 0, &error) || ff_engine_tick(session->engine, 0, limit, &result, &error))
		return ctl_fail(session, &error);
	if (session->json) {
		cJSON *object = ctl_json_object();
		ctl_json_integer(object, "resets", result.resets);
		ctl_json_integer(object, "failed", result.failed);
		ctl_json_integer(object, "purged_keys", result.purged_keys);
		ctl_json_integer(object, "purged_admissions", result.purged_admissions);
		ctl_json_integer(object, "purged_ledger_rows", result.purged_ledger_rows);
		return ctl_json_print(object);
	}
	printf("resets               %s\nfailed               %s\npurged keys          %s\npurged admissions    %s\n"
	       "purged ledger rows   %s\n",
	       ctl_digits(result.resets).text, ctl_digits(result.failed).text, ctl_digits(result.purged_keys).text,
	       ctl_digits(result.purged_admissions).text, ctl_digits(result.purged_ledger_rows).text);
	return CTL_DONE;
}

/* ---- export and import -------------------------------------------------------------------------------------- */

typedef struct output {
	FILE *file;
	const char *name;
	uint64_t lines;
} output;

static ff_code write_failed(const char *name, ff_error *error)
{
	return ff_error_set(error, errno == ENOSPC ? FF_E_FULL : FF_E_IO, "cannot write '%s': %s", name,
	                    strerror(errno));
}

static ff_code write_line(void *context, const char *line, size_t size, ff_error *error)
{
	output *out = context;
	if (fwrite(line, 1, size, out->file) != size || putc('\n', out->file) == EOF)
		return write_failed(out->name, error);
	out->lines++;
	return FF_OK;
}

static ff_code export_to(ctl_session *session, output *out, ff_error *error)
{
	ff_code code = ff_engine_export(session->engine, 0, write_line, out, error);
	if (!code && fflush(out->file))
		code = write_failed(out->name, error);
	return code;
}

/* No line of an export is longer. */
#define EXPORT_LINE_MAX ((size_t)1 << 20)

/* How a file that is not whole ends, and how many there may be beside one name. */
#define PART ".part"
#define PARTS_MAX 1000

typedef struct first_line {
	const char *text;
	size_t size;
	bool taken;
} first_line;

/* Gives the one line. That another is asked for says that this one is a row. */
static ff_code give_first_line(void *context, const char **line, size_t *size, ff_error *error)
{
	first_line *first = context;
	(void)error;
	first->taken = first->text == NULL;
	*line = first->text;
	*size = first->size;
	first->text = NULL;
	return FF_OK;
}

/* Whether import takes the line, tried on a store in memory. That rows of other lines may be missing is no fault. */
static ff_code try_first_line(const char *text, size_t size, bool *taken, ff_error *error)
{
	ff_engine *engine;
	first_line first = { .text = text, .size = size };
	ff_code code = ctl_open_scratch(&engine, error);
	if (!code)
		ff_engine_import(engine, give_first_line, &first, NULL, error);
	ff_engine_close(&engine);
	*taken = first.taken;
	return code;
}

/* Whether what is there may be replaced: a file that is empty, or an export. */
static ff_code check_replaced(const char *name, ff_error *error)
{
	FILE *file = fopen(name, "r");
	if (!file && errno == ENOENT)
		return FF_OK;
	char *line = ctl_allocate(EXPORT_LINE_MAX + 1, 1);
	size_t size = file ? fread(line, 1, EXPORT_LINE_MAX, file) : 0;
	bool is_export = false;
	ff_code code = FF_OK;
	if (!file || ferror(file)) {
		code =
		    ff_error_set(error, FF_E_IO, "cannot read '%s', so it is not replaced: %s", name, strerror(errno));
	} else if (size) {
		char *end = memchr(line, '\n', size);
		if (end)
			*end = '\0';
		code = end ? try_first_line(line, (size_t)(end - line), &is_export, error) : FF_OK;
		if (!code && !is_export)
			code = ff_error_set(error, FF_E_INVALID,
			                    "'%s' is there and is no export, so it is not replaced", name);
	}
	if (file)
		fclose(file);
	free(line);
	return code;
}

/* A new file beside `name`, none that was there: its name is in `part`. */
static FILE *create_part(const char *name, char *part, size_t size, mode_t mode)
{
	int file = -1;
	for (unsigned i = 0; i == 0 || (file < 0 && errno == EEXIST && i < PARTS_MAX); i++) {
		snprintf(part, size, "%s.%u" PART, name, i);
		file = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	}
	FILE *stream = file < 0 ? NULL : fdopen(file, "w");
	if (file >= 0 && !stream) {
		close(file);
		unlink(part);
	}
	return stream;
}

/* The part that is being written: who ends the process by a signal wants it no more. */
static _Atomic(const char *) unfinished;

static void take_part_away(int number)
{
	const char *part = atomic_load(&unfinished);
	if (part)
		unlink(part);
	raise(number); /* this was for once: the process ends as it would have */
}

/* A signal that is ignored (nohup) stays so. */
static void take_part_away_at(int number)
{
	struct sigaction now, own = { .sa_handler = take_part_away, .sa_flags = (int)SA_RESETHAND };
	if (!sigaction(number, NULL, &now) && now.sa_handler != SIG_IGN)
		sigaction(number, &own, NULL);
}

/* As create_part, and no signal comes between the file and what is known of it. */
static FILE *create_unfinished(const char *name, char *part, size_t size, mode_t mode)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
	sigset_t blocked, before;
	sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		take_part_away_at(ends[i]);
		sigaddset(&blocked, ends[i]);
	}
	sigprocmask(SIG_BLOCK, &blocked, &before);
	FILE *file = create_part(name, part, size, mode);
	int fault = errno;
	atomic_store(&unfinished, file ? part : NULL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	errno = fault;
	return file;
}

/* So that the name leads to the new file after a loss of power, too. A folder that may not be read is left at that. */
static bool sync_folder(const char *name)
{
	const char *slash = strrchr(name, '/');
	char *folder = slash ? strndup(name, (size_t)(slash - name) + 1) : strdup(".");
	int file = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	bool synced = file < 0 || fsync(file) == 0 || errno == EINVAL;
	if (file >= 0)
		close(file);
	free(folder);
	return synced;
}

/* Gives the new file the rights of the one that it replaces. Whose that was only root can keep; where its group cannot be kept
 * either, ours may do what others might as well, or nothing. */
static bool keep_rights(FILE *file, const struct stat *replaced)
{
	int descriptor = fileno(file);
	mode_t mode = replaced->st_mode & 0777, others = mode & 07;
	if (fchown(descriptor, replaced->st_uid, replaced->st_gid) != 0 &&
	    fchown(descriptor, (uid_t)-1, replaced->st_gid) != 0)
		mode &= 0707 | others << 3;
	return fchmod(descriptor, mode) == 0;
}

/* Into a new file beside the one that is asked for, which takes its place once it is whole. `replaced`: NULL where there is
 * none. */
static ff_code export_beside(ctl_session *session, const char *name, const struct stat *replaced, uint64_t *lines,
                             ff_error *error)
{
	size_t size = strlen(name) + sizeof ".4294967295" PART;
	char *part = ctl_allocate(size, 1);
	output out = { .file = create_unfinished(name, part, size, replaced ? 0600 : 0666), .name = part };
	bool is_made = out.file && (!replaced || keep_rights(out.file, replaced));
	ff_code code = is_made ? export_to(session, &out, error) : write_failed(part, error);
	if (!code && fsync(fileno(out.file)))
		code = write_failed(part, error);
	if (out.file && fclose(out.file) && !code)
		code = write_failed(part, error);
	bool takes_place = !code && rename(part, name) == 0;
	if (!code && (!takes_place || !sync_folder(name)))
		code = write_failed(name, error);
	if (!takes_place && out.file)
		unlink(part);
	atomic_store(&unfinished, NULL);
	*lines = out.lines;
	free(part);
	return code;
}

/* A pipe or a device is written as it is. */
static ff_code export_into(ctl_session *session, const char *name, uint64_t *lines, ff_error *error)
{
	output out = { .file = fopen(name, "w"), .name = name };
	ff_code code = out.file ? export_to(session, &out, error) : write_failed(name, error);
	if (out.file && fclose(out.file) && !code)
		code = write_failed(name, error);
	*lines = out.lines;
	return code;
}

#define LINKS_MAX 40

/* Where a link leads that leads to nothing yet, or the name itself. */
static char *follow_links(const char *name)
{
	char *at = ctl_copy(name);
	char to[PATH_MAX];
	for (unsigned i = 0; i < LINKS_MAX; i++) {
		ssize_t size = readlink(at, to, sizeof to);
		if (size <= 0 || (size_t)size == sizeof to)
			break;
		const char *end = strrchr(at, '/');
		size_t folder = end && *to != '/' ? (size_t)(end - at) + 1 : 0;
		char *next = ctl_allocate(folder + (size_t)size + 1, 1);
		memcpy(next, at, folder);
		memcpy(next + folder, to, (size_t)size);
		free(at);
		at = next;
	}
	return at;
}

/* What a link leads to is replaced, and not the link. A file that has lost its name cannot be. */
static ff_code export_to_file(ctl_session *session, const char *name, ff_error *error)
{
	struct stat there;
	bool exists = stat(name, &there) == 0;
	char *target = exists ? realpath(name, NULL) : follow_links(name);
	bool is_file = !exists || S_ISREG(there.st_mode);
	const char *file = target ? target : name;
	uint64_t lines = 0;
	ff_code code = is_file ? check_replaced(file, error) : FF_OK;
	if (!code)
		code = is_file && target ? export_beside(session, file, exists ? &there : NULL, &lines, error)
		                         : export_into(session, file, &lines, error);
	if (!code)
		fprintf(stderr, "%" PRIu64 " lines in '%s'\n", lines, name);
	free(target);
	return code;
}

int ctl_export(ctl_session *session)
{
	ff_error error;
	output out = { .file = stdout, .name = "stdout" };
	ff_code code = ctl_open(session, FF_OPEN_READ_ONLY, &error);
	if (!code && session->arguments_count && strcmp(session->arguments[0], "-") != 0)
		code = export_to_file(session, session->arguments[0], &error);
	else if (!code)
		code = export_to(session, &out, &error);
	return code ? ctl_fail(session, &error) : CTL_DONE;
}

typedef struct input {
	FILE *file;
	const char *name;
	char *line;
	size_t capacity;
} input;

static ff_code next_line(void *context, const char **line, size_t *size, ff_error *error)
{
	input *in = context;
	errno = 0;
	ssize_t read = getline(&in->line, &in->capacity, in->file);
	if (read < 0 && errno == ENOMEM)
		return ff_error_set(error, FF_E_NO_MEMORY, "'%s' has a line that memory does not hold", in->name);
	if (read < 0 && ferror(in->file))
		return ff_error_set(error, FF_E_IO, "cannot read '%s': %s", in->name, strerror(errno));
	*line = read < 0 ? NULL : in->line;
	*size = read < 0 ? 0 : (size_t)read;
	if (*size && in->line[*size - 1] == '\n')
		in->line[--*size] = '\0';
	return FF_OK;
}

/* Whether a file can be read at all, a folder say: else an import would be begun for nothing. */
static bool is_readable(FILE *file)
{
	int first = getc(file);
	return first != EOF ? ungetc(first, file) == first : !ferror(file);
}

/* Whether it holds nothing, as what the reader of a failed export gets. A device does, too (/dev/null), and gives up an import. */
static bool is_empty(FILE *file)
{
	struct stat status;
	return feof(file) && fstat(fileno(file), &status) == 0 && !S_ISCHR(status.st_mode);
}

int ctl_import(ctl_session *session)
{
	ff_error error;
	bool from_stdin = strcmp(session->arguments[0], "-") == 0;
	input in = { .file = from_stdin ? stdin : fopen(session->arguments[0], "r"), .name = session->arguments[0] };
	if (!in.file || !is_readable(in.file)) {
		ff_error_set(&error, errno == ENOENT ? FF_E_NOT_FOUND : FF_E_IO, "cannot read '%s': %s", in.name,
		             strerror(errno));
		if (in.file && !from_stdin)
			fclose(in.file);
		return ctl_fail(session, &error);
	}
	uint64_t imported = 0;
	ff_code code = FF_OK;
	if (is_empty(in.file))
		code = ff_error_set(&error, FF_E_INVALID, "'%s' is empty, and an export is not", in.name);
	if (!code)
		code = ctl_open(session, 0, &error);
	if (!code)
		code = ff_engine_import(session->engine, next_line, &in, &imported, &error);
	free(in.line);
	if (!from_stdin)
		fclose(in.file);
	if (code)
		return ctl_fail(session, &error);
	if (session->json) {
		cJSON *object = ctl_json_object();
		ctl_json_integer(object, "imported", imported);
		return ctl_json_print(object);
	}
	printf("%s lines imported\n", ctl_digits(imported).text);
	return CTL_DONE;
}

/* ---- check -------------------------------------------------------------------------------------------------- */

typedef struct findings {
	cJSON *problems; /* NULL: they are printed as they come */
	uint64_t count;
} findings;

static void note_problem(void *context, const char *problem)
{
	findings *found = context;
	found->count++;
	if (!found->problems) {
		puts(problem);
		return;
	}
	cJSON *text = cJSON_CreateString(problem);
	if (!text || !cJSON_AddItemToArray(found->problems, text))
		ctl_no_memory();
}

int ctl_check(ctl_session *session)
{
	ff_error error;
	findings found = { .problems = session->json ? cJSON_CreateArray() : NULL };
	ff_code code = ctl_open(session, FF_OPEN_READ_ONLY, &error);
	if (!code)
		code = ff_engine_check(session->engine, note_problem, &found, &error);
	if (code) {
		cJSON_Delete(found.problems);
		return ctl_fail(session, &error);
	}
	if (session->json) {
		cJSON *object = ctl_json_object();
		ctl_json_bool(object, "ok", found.count == 0);
		ctl_json_add(object, "problems", found.problems);
		ctl_json_print(object);
	} else {
		printf("%s\n", found.count ? "the store has problems" : "the store is sound");
	}
	return found.count ? CTL_FAILED : CTL_DONE;
}

/* ---- backends ----------------------------------------------------------------------------------------------- */

typedef void word_fn(void *context, const char *word);

/* The capabilities of a set, and the words of a list with blanks between. */
static void each_cap(uint64_t caps, word_fn *word, void *context)
{
	for (uint64_t cap = 1; cap && cap <= FF_CAPS_KNOWN; cap <<= 1)
		if (caps & cap && ff_cap_name(cap))
			word(context, ff_cap_name(cap));
}

static void each_scheme(const ff_engine_backend *backend, word_fn *word, void *context)
{
	word(context, backend->name);
	char *list = ctl_copy(backend->schemes ? backend->schemes : ""), *rest = list;
	for (char *scheme; (scheme = strtok_r(rest, " ", &rest));)
		word(context, scheme);
	free(list);
}

static void add_word(void *context, const char *word)
{
	cJSON *text = cJSON_CreateString(word);
	if (!text || !cJSON_AddItemToArray(context, text))
		ctl_no_memory();
}

static void append_word(void *context, const char *word)
{
	char *line = context;
	size_t used = strlen(line);
	snprintf(line + used, 256 - used, "%s%s", used ? " " : "", word);
}

static void print_backend_json(const ff_engine_backend *backend, uint64_t caps, const char *version)
{
	cJSON *object = ctl_json_object(), *schemes = cJSON_CreateArray(), *names = cJSON_CreateArray();
	each_scheme(backend, add_word, schemes);
	each_cap(caps, add_word, names);
	ctl_json_text(object, "name", backend->name);
	ctl_json_add(object, "schemes", schemes);
	ctl_json_add(object, "capabilities", names);
	ctl_json_text(object, "version", version);
	ctl_json_print(object);
}

static void add_backend(struct libscols_table *table, const ff_engine_backend *backend, uint64_t caps,
                        const char *version)
{
	char schemes[256] = "", names[256] = "";
	struct libscols_line *line = ctl_table_line(table);
	each_scheme(backend, append_word, schemes);
	each_cap(caps, append_word, names);
	ctl_table_set(line, 0, backend->name, NULL);
	ctl_table_set(line, 1, schemes, NULL);
	ctl_table_set(line, 2, version, NULL);
	ctl_table_set(line, 3, names, NULL);
}

static void tell_refused(void *context, const char *problem)
{
	(void)context;
	fprintf(stderr, "ffctl: %s\n", problem);
}

int ctl_backends(ctl_session *session)
{
	static const ctl_column columns[] = {
		{ "BACKEND", false }, { "SCHEMES", false }, { "VERSION", false }, { "CAPABILITIES", false }
	};
	ff_error error;
	ff_engine_info info = { 0 };
	/* A store that is not there yet is no reason not to tell what there could be. One in memory never is there, but
	 * making it leaves nothing behind. */
	bool in_memory = strstr(session->store, "::memory:") != NULL;
	ff_code code = ctl_open(session, in_memory ? 0 : FF_OPEN_READ_ONLY, &error);
	if (!code)
		code = ff_engine_get_info(session->engine, &info, &error);
	int status = code && code != FF_E_NOT_FOUND ? ctl_fail(session, &error) : CTL_DONE;
	if (status && session->json) /* for programs an error is all of an answer */
		return status;
	ff_backend_load_all(tell_refused, NULL);
	struct libscols_table *table =
	    session->json ? NULL : ctl_table_new(session, columns, sizeof(columns) / sizeof(*columns));
	const ff_engine_backend *backend;
	for (size_t i = 0; (backend = ff_backend_at(i)); i++) {
		bool open = info.backend && strcmp(info.backend, backend->name) == 0;
		uint64_t caps = open ? info.caps : backend->caps;
		const char *version = open ? info.version : "";
		if (session->json)
			print_backend_json(backend, caps, version);
		else
			add_backend(table, backend, caps, version);
	}
	if (table)
		ctl_table_print(table);
	return status;
}
