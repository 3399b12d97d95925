/*
 * Backends from shared objects. What is loaded stays until the process ends, so each case that loads uses modules of
 * its own; modules/ has them, good and bad.
 */
#include <fcntl.h>
#include <ftw.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests.h"

static const char *module(ff_test *t, const char *name)
{
	return ff_test_text(t, "%s/%s.so", FF_TEST_MODULES, name);
}

static size_t count_backends(void)
{
	size_t count = 0;
	while (ff_backend_at(count))
		count++;
	return count;
}

/* ---- folders ------------------------------------------------------------------------------------------------ */

static int remove_one(const char *path, const struct stat *what, int kind, struct FTW *where)
{
	(void)what;
	(void)kind;
	(void)where;
	return remove(path);
}

static void remove_folder(void *path)
{
	if (nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS) != 0)
		perror(path);
}

static const char *make_folder(ff_test *t)
{
	const char *tmp = getenv("TMPDIR");
	char *path = (char *)(uintptr_t)ff_test_text(t, "%s/ff-modules-XXXXXX", tmp ? tmp : "/tmp");
	FF_REQUIRE(t, mkdtemp(path) != NULL);
	ff_test_defer(t, remove_folder, path);
	return path;
}

/* A link FOLDER/ff_backend_SCHEME.so to a module. */
static void put_module(ff_test *t, const char *folder, const char *scheme, const char *name)
{
	const char *link = ff_test_text(t, "%s/ff_backend_%s.so", folder, scheme);
	FF_REQUIRE(t, symlink(module(t, name), link) == 0);
}

static const char *put_file(ff_test *t, const char *folder, const char *bytes, size_t size)
{
	const char *path = ff_test_text(t, "%s/file.so", folder);
	unlink(path);
	FILE *file = fopen(path, "w");
	FF_REQUIRE(t, file != NULL);
	bool written = fwrite(bytes, 1, size, file) == size;
	FF_REQUIRE(t, !fclose(file) && written);
	return path;
}

static char *read_module(ff_test *t, const char *name, size_t *size)
{
	enum { SIZE_MOST = 1 << 20 };
	char *bytes = ff_test_alloc(t, SIZE_MOST);
	FILE *file = fopen(module(t, name), "r");
	FF_REQUIRE(t, file != NULL);
	*size = fread(bytes, 1, SIZE_MOST, file);
	fclose(file);
	FF_REQUIRE(t, *size > 4096 && *size < SIZE_MOST);
	return bytes;
}

static void forget_path(void *nothing)
{
	(void)nothing;
	unsetenv("FF_BACKEND_PATH");
}

static void set_path(ff_test *t, const char *path)
{
	setenv("FF_BACKEND_PATH", path, 1);
	ff_test_defer(t, forget_path, NULL);
}

/* ---- cases -------------------------------------------------------------------------------------------------- */

/* The next that the system gives out. */
static int next_file(void)
{
	int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(file);
	return file;
}

static void check_refused(ff_test *t, const char *path, ff_code code, const char *why)
{
	size_t count = count_backends();
	int file = next_file();
	FF_CHECK_CODE(t, ff_backend_load(path, ff_test_error(t)), code);
	FF_CHECK_STR(t, ff_test_error(t)->message, ff_test_text(t, "cannot load '%s': %s", path, why));
	FF_CHECK_CODE(t, ff_backend_load(path, NULL), code);
	FF_CHECK_EQ_INT(t, count_backends(), count);
	FF_CHECK_EQ_INT(t, next_file(), file);
}

static void module_is_loaded_and_works(ff_test *t)
{
	size_t count = count_backends();
	FF_REQUIRE_OK(t, ff_backend_load(module(t, "memory"), ff_test_error(t)));
	FF_CHECK_EQ_INT(t, count_backends(), count + 1);
	FF_REQUIRE(t, ff_backend_at(count) != NULL);
	FF_CHECK_STR(t, ff_backend_at(count)->name, "memory");
	FF_CHECK(t, ff_backend_find("memory") == ff_backend_at(count));
	ff_engine *e = ff_test_open_uri(t, "memory:loaded", NULL);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok replayed");
	/* Again, by another of its names, and by one without a slash. */
	FF_REQUIRE_OK(t, ff_backend_load(module(t, "memory"), ff_test_error(t)));
	FF_REQUIRE_OK(t, ff_backend_load(module(t, "../modules/memory"), ff_test_error(t)));
	int here = open(".", O_RDONLY | O_DIRECTORY);
	FF_REQUIRE(t, here >= 0 && chdir(FF_TEST_MODULES) == 0);
	ff_code code = ff_backend_load("memory.so", ff_test_error(t));
	FF_CHECK(t, fchdir(here) == 0 && close(here) == 0);
	FF_REQUIRE_OK(t, code);
	FF_CHECK_EQ_INT(t, count_backends(), count + 1);
}

static void modules_are_refused_with_a_reason(ff_test *t)
{
	static const struct {
		const char *name, *why;
	} refused[] = {
		{ "newer", "backend was built for interface 2, this library has 1" },
		{ "older", "backend was built for interface 0, this library has 1" },
		{ "short", "backend 'bent' lacks the slot 'commit'" },
		{ "missing", "backend 'bent' lacks the slot 'store'" },
		{ "claims", "backend 'bent' claims unknown capabilities 0x10" },
		{ "needs", "backend 'bent' needs 0x4, which this library does not know" },
		{ "nameless", "backend name 'No-Name' is not 1 to 31 of a-z, 0-9 and '-'" },
		{ "undefined", "undefined symbol: ff_what_no_library_has" },
		{ "symbol", "it has no symbol 'ff_backend_plugin'" },
		{ "code", "its symbol 'ff_backend_plugin' is no table" },
		{ "stump", "its table of 4 bytes is cut off" },
		{ "head", "its table has 56 bytes and says 160" },
	};
	for (size_t i = 0; i < COUNT_OF(refused); i++)
		check_refused(t, module(t, refused[i].name), FF_E_INVALID, refused[i].why);
	FF_CHECK(t, !ff_backend_find("bent"));
}

static void files_are_refused_with_a_reason(ff_test *t)
{
	static const char text[] = "#!/bin/sh\necho not a module of any kind, but longer than the header of one is\n";
	static const char foreign[64] = "\177ELF\1\1\1";
	const char *folder = make_folder(t);
	const char *fifo = ff_test_text(t, "%s/fifo.so", folder);
	const char *loop = ff_test_text(t, "%s/loop.so", folder);
	const char *socket = ff_test_text(t, "%s/socket.so", folder);
	FF_REQUIRE(t,
	           mkfifo(fifo, 0600) == 0 && symlink("loop.so", loop) == 0 && mknod(socket, S_IFSOCK | 0600, 0) == 0);
	check_refused(t, "/nowhere/at/all.so", FF_E_NOT_FOUND, "No such file or directory");
	check_refused(t, "libc.so.6", FF_E_NOT_FOUND, "No such file or directory"); /* nothing is searched for */
	check_refused(t, ff_test_text(t, "%s/x", module(t, "memory")), FF_E_NOT_FOUND, "Not a directory");
	check_refused(t, loop, FF_E_IO, "Too many levels of symbolic links");
	check_refused(t, socket, FF_E_IO, "No such device or address");
	check_refused(t, folder, FF_E_INVALID, "it is no file");
	check_refused(t, fifo, FF_E_INVALID, "it is no file");
	check_refused(t, put_file(t, folder, "", 0), FF_E_INVALID, "the file is no shared object");
	check_refused(t, put_file(t, folder, text, sizeof(text)), FF_E_INVALID, "the file is no shared object");
	check_refused(t, put_file(t, folder, "\177ELF", 4), FF_E_INVALID, "the file is cut off");
	check_refused(t, put_file(t, folder, foreign, sizeof(foreign)), FF_E_INVALID,
	              "the file is no shared object for this machine");
	FF_CHECK_CODE(t, ff_backend_load("", ff_test_error(t)), FF_E_INVALID);
	FF_CHECK_STR(t, ff_test_error(t)->message, "the module's path is empty");
	FF_CHECK_CODE(t, ff_backend_load(NULL, NULL), FF_E_INVALID);
}

/* What is refused is unloaded: a better module of the same name can take its place. */
static void refused_module_can_be_replaced(ff_test *t)
{
	size_t size;
	const char *folder = make_folder(t);
	const char *bytes = read_module(t, "missing", &size);
	check_refused(t, put_file(t, folder, bytes, size), FF_E_INVALID, "backend 'bent' lacks the slot 'store'");
	bytes = read_module(t, "mended", &size);
	FF_REQUIRE_OK(t, ff_backend_load(put_file(t, folder, bytes, size), ff_test_error(t)));
	FF_CHECK(t, ff_backend_find("mended") != NULL);
}

/* Wherever a module is cut off, it is refused, and the process lives. */
static void cut_off_module_is_refused(ff_test *t)
{
	size_t size;
	const char *folder = make_folder(t);
	char *bytes = read_module(t, "found", &size);
	for (size_t cut = 4; cut < size; cut += cut < size - 600 ? 509 : 1)
		check_refused(t, put_file(t, folder, bytes, cut), FF_E_INVALID, "the file is cut off");
	memset(bytes + size / 2, 0, size - size / 2); /* all bytes, but a hole for the last */
	check_refused(t, put_file(t, folder, bytes, size), FF_E_INVALID, "the file is cut off");
	((ElfW(Ehdr) *)(void *)bytes)->e_shnum = 0; /* stripped of its sections */
	check_refused(t, put_file(t, folder, bytes, 4096), FF_E_INVALID, "the file is cut off");
}

/* What the dynamic linker says may begin with another file's name. */
static void module_needs_what_is_not_there(ff_test *t)
{
	size_t size;
	char *bytes = read_module(t, "memory", &size);
	char *needed = memmem(bytes, size, "libc.so", strlen("libc.so"));
	FF_REQUIRE(t, needed != NULL);
	needed[3] = '_';
	check_refused(t, put_file(t, make_folder(t), bytes, size), FF_E_INVALID,
	              ff_test_text(t, "%s: cannot open shared object file: No such file or directory", needed));
}

/* One that has no sections is measured by its segments, each of them, to the last byte. */
static void stripped_module_is_measured(ff_test *t)
{
	size_t size, end = 0;
	const char *folder = make_folder(t);
	char *bytes = read_module(t, "missing", &size);
	ElfW(Ehdr) *header = (ElfW(Ehdr) *)(void *)bytes;
	ElfW(Phdr) *segments = (ElfW(Phdr) *)(void *)(bytes + header->e_phoff);
	header->e_shnum = header->e_shstrndx = 0;
	header->e_shoff = 0;
	for (unsigned i = 0; i < header->e_phnum; i++) {
		const size_t offset = segments[i].p_offset;
		end = offset + segments[i].p_filesz > end ? offset + segments[i].p_filesz : end;
		segments[i].p_offset = size + 1;
		check_refused(t, put_file(t, folder, bytes, size), FF_E_INVALID, "the file is cut off");
		segments[i].p_offset = offset;
	}
	check_refused(t, put_file(t, folder, bytes, end - 1), FF_E_INVALID, "the file is cut off");
	check_refused(t, put_file(t, folder, bytes, end), FF_E_INVALID, "backend 'bent' lacks the slot 'store'");
	header->e_phoff = ~(ElfW(Off))63; /* a place that no file has */
	check_refused(t, put_file(t, folder, bytes, size), FF_E_INVALID, "the file is cut off");
}

static void unknown_scheme_is_looked_for(ff_test *t)
{
	const char *empty = make_folder(t), *folder = make_folder(t), *later = make_folder(t);
	ff_engine *engine = NULL;
	put_module(t, folder, "founds", "found"); /* by its second scheme */
	put_module(t, folder, "lying", "found");
	put_module(t, folder, "bad", "missing");
	put_module(t, later, "founds", "missing");
	FF_REQUIRE(t, mkdir(ff_test_text(t, "%s/ff_backend_no", folder), 0777) == 0);
	put_module(t, ff_test_text(t, "%s/ff_backend_no", folder), "scheme", "missing");
	FF_CHECK_CODE(t, ff_engine_open("founds:x", NULL, &engine, ff_test_error(t)), FF_E_INVALID);
	FF_CHECK(t, strstr(ff_test_error(t)->message, "no backend for the scheme 'founds', there are: fake, faulty"));
	FF_CHECK(t, strstr(ff_test_error(t)->message, "; and none in FF_BACKEND_PATH"));
	set_path(t, ff_test_text(t, ":/nowhere::%s:%s:%s", empty, folder, later));
	FF_CHECK_CODE(t, ff_engine_open("lying:x", NULL, &engine, ff_test_error(t)), FF_E_INVALID);
	FF_CHECK_STR(t, ff_test_error(t)->message,
	             ff_test_text(t, "cannot load '%s/ff_backend_lying.so': backend 'found' does not answer to 'lying'",
	                          folder));
	FF_CHECK_CODE(t, ff_engine_open("bad:x", NULL, &engine, ff_test_error(t)), FF_E_INVALID);
	FF_CHECK_STR(t, ff_test_error(t)->entity, "store");
	FF_CHECK_STR(
	    t, ff_test_error(t)->message,
	    ff_test_text(t, "cannot load '%s/ff_backend_bad.so': backend 'bent' lacks the slot 'store'", folder));
	FF_CHECK_CODE(t, ff_engine_open("no/ff_backend_scheme:x", NULL, &engine, ff_test_error(t)), FF_E_INVALID);
	FF_CHECK(t, strstr(ff_test_error(t)->message, "no backend for the scheme 'no/ff_backend_scheme'"));
	FF_CHECK(t, !ff_backend_find("nothing") && !ff_backend_find("+founds") && !ff_backend_find("bad"));
	FF_CHECK_CODE(t, ff_engine_open("founds:x", NULL, &engine, ff_test_error(t)), FF_E_UNAVAILABLE);
	FF_CHECK_STR(t, ff_test_error(t)->message, "'found' was asked for 'x'");
	FF_CHECK_CODE(t, ff_engine_open("found:y", NULL, &engine, ff_test_error(t)), FF_E_UNAVAILABLE);
	FF_CHECK(t, engine == NULL);
}

static void append_problem(void *context, const char *problem)
{
	char *problems = context;
	size_t used = strlen(problems);
	snprintf(problems + used, 1024 - used, "%s\n", problem);
}

static void all_modules_are_loaded(ff_test *t)
{
	const char *folder = make_folder(t), *later = make_folder(t);
	char problems[1024] = "";
	ff_backend_load_all(append_problem, problems);
	FF_CHECK_STR(t, problems, "");
	put_module(t, folder, "bad", "missing");
	put_module(t, folder, "fake", "missing"); /* answered to already, so it is not looked at */
	put_module(t, later, "listed", "listed");
	static const char *const others[] = { "other_backend_bad.so", "ff_backend_bad.so.old", "ff_backend_.so" };
	for (size_t i = 0; i < COUNT_OF(others); i++)
		FF_REQUIRE(t, symlink(module(t, "missing"), ff_test_text(t, "%s/%s", folder, others[i])) == 0);
	set_path(t, ff_test_text(t, "%s:%s:/nowhere:%s", make_folder(t), folder, later)); /* one has nothing */
	size_t count = count_backends();
	ff_backend_load_all(append_problem, problems);
	FF_CHECK_STR(t, problems,
	             ff_test_text(t,
	                          "cannot load '%s/ff_backend_bad.so': backend 'bent' lacks the slot 'store'\n"
	                          "cannot read '/nowhere' of FF_BACKEND_PATH: No such file or directory\n",
	                          folder));
	FF_CHECK_EQ_INT(t, count_backends(), count + 1);
	FF_REQUIRE(t, ff_backend_at(count) != NULL);
	FF_CHECK_STR(t, ff_backend_at(count)->name, "listed");
	ff_backend_load_all(NULL, NULL);
	FF_CHECK_EQ_INT(t, count_backends(), count + 1);
}

static const ff_case table[] = {
	CASE(modules_are_refused_with_a_reason, "", 0), CASE(files_are_refused_with_a_reason, "", 0),
	CASE(cut_off_module_is_refused, "", 0),         CASE(module_needs_what_is_not_there, "", 0),
	CASE(stripped_module_is_measured, "", 0),       CASE(unknown_scheme_is_looked_for, "", 0),
	CASE(refused_module_can_be_replaced, "", 0),    CASE(all_modules_are_loaded, "", 0),
	CASE(module_is_loaded_and_works, "", 0),
};

FAMILY(ffp_tests_load, table);
