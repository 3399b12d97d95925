/*
 * Backends in shared objects. What goes wrong with a file that somebody copied here is told before it can do harm: the
 * file is measured against its own headers before the dynamic linker maps it, because a page behind the end of a file
 * that was cut off would kill the process; and no more of the table is read than its symbol is long.
 */
#include "load.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "registry.h"
#include "text.h"

#define SYMBOL "ff_backend_plugin"
#define FILE_PREFIX "ff_backend_"
#define FILE_SUFFIX ".so"

#define NATIVE_CLASS (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32)

typedef ElfW(Ehdr) elf_header;
typedef ElfW(Phdr) elf_segment;
typedef ElfW(Shdr) elf_section;
typedef ElfW(Sym) elf_symbol;

/* ---- the file ----------------------------------------------------------------------------------------------- */

static ff_code system_error(int native, ff_error *error)
{
	ff_code code = native == ENOENT || native == ENOTDIR ? FF_E_NOT_FOUND : FF_E_IO;
	return ff_error_set(error, code, "%s", strerror(native));
}

static ff_code cut_off(ff_error *error)
{
	return ff_error_set(error, FF_E_INVALID, "the file is cut off");
}

/* Whether `size` bytes from `offset` on lie in a file of `length` bytes. */
static bool lies_within(uint64_t offset, uint64_t size, uint64_t length)
{
	return offset <= length && size <= length - offset;
}

/* Reads bytes that should be there. */
static ff_code read_at(int file, void *to, size_t size, uint64_t offset, ff_error *error)
{
	ssize_t got = offset <= INT64_MAX ? pread(file, to, size, (off_t)offset) : 0;
	if (got < 0)
		return system_error(errno, error);
	return (size_t)got == size ? FF_OK : cut_off(error);
}

static ff_code check_segments(int file, const elf_header *header, uint64_t length, ff_error *error)
{
	ff_code code = FF_OK;
	for (unsigned i = 0; code == FF_OK && i < header->e_phnum; i++) {
		elf_segment segment;
		code = read_at(file, &segment, sizeof(segment), header->e_phoff + i * sizeof(segment), error);
		if (code == FF_OK && !lies_within(segment.p_offset, segment.p_filesz, length))
			code = cut_off(error);
	}
	return code;
}

/* The sections' names lie near the end of a file: where there are none in their place, the end is a hole. */
static ff_code check_sections(int file, const elf_header *header, ff_error *error)
{
	elf_section names = { .sh_type = SHT_STRTAB }; /* a stripped file may have no sections */
	ff_code code = FF_OK;
	if (header->e_shstrndx < header->e_shnum)
		code =
		    read_at(file, &names, sizeof(names), header->e_shoff + header->e_shstrndx * sizeof(names), error);
	if (code == FF_OK && names.sh_type != SHT_STRTAB)
		code = cut_off(error);
	return code;
}

/* Whether an ELF file has all the bytes that its headers speak of. */
static ff_code check_headers(int file, uint64_t length, ff_error *error)
{
	elf_header header;
	if (pread(file, header.e_ident, SELFMAG, 0) != SELFMAG || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
		return ff_error_set(error, FF_E_INVALID, "the file is no shared object");
	ff_code code = read_at(file, &header, sizeof(header), 0, error);
	if (code != FF_OK)
		return code;
	if (header.e_ident[EI_CLASS] != NATIVE_CLASS)
		return ff_error_set(error, FF_E_INVALID, "the file is no shared object for this machine");
	code = check_segments(file, &header, length, error);
	return code == FF_OK ? check_sections(file, &header, error) : code;
}

static ff_code check_file(const char *path, ff_error *error)
{
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (file < 0)
		return system_error(errno, error);
	struct stat status;
	ff_code code = FF_OK;
	if (fstat(file, &status))
		code = system_error(errno, error);
	else if (!S_ISREG(status.st_mode))
		code = ff_error_set(error, FF_E_INVALID, "it is no file");
	else
		code = check_headers(file, (uint64_t)status.st_size, error);
	close(file);
	return code;
}

/* ---- the module --------------------------------------------------------------------------------------------- */

/* The table, once it is known to be data of as many bytes as it says. */
static ff_code find_table(void *module, const ff_engine_backend **table, ff_error *error)
{
	void *data = dlsym(module, SYMBOL);
	if (!data)
		return ff_error_set(error, FF_E_INVALID, "it has no symbol '" SYMBOL "'");
	Dl_info info;
	void *entry = NULL;
	const elf_symbol *symbol = dladdr1(data, &info, &entry, RTLD_DL_SYMENT) ? entry : NULL;
	if (!symbol || info.dli_saddr != data || ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT)
		return ff_error_set(error, FF_E_INVALID, "its symbol '" SYMBOL "' is no table");
	*table = data;
	if (symbol->st_size < offsetof(ff_engine_backend, open))
		return ff_error_set(error, FF_E_INVALID, "its table of %zu bytes is cut off", (size_t)symbol->st_size);
	if (symbol->st_size < (*table)->size)
		return ff_error_set(error, FF_E_INVALID, "its table has %zu bytes and says %u", (size_t)symbol->st_size,
		                    (*table)->size);
	return FF_OK;
}

/* What the dynamic linker says, without the path that it begins with. */
static ff_code linker_error(const char *path, ff_error *error)
{
	const char *text = dlerror();
	size_t size = strlen(path);
	if (strncmp(text, path, size) == 0 && strncmp(text + size, ": ", 2) == 0)
		text += size + 2;
	return ff_error_set(error, FF_E_INVALID, "%s", text);
}

static ff_code load_file(const char *path, ff_text scheme, ff_error *error)
{
	ff_code code = check_file(path, error);
	if (code != FF_OK)
		return code;
	void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!module)
		return linker_error(path, error);
	const ff_engine_backend *table = NULL;
	code = find_table(module, &table, error);
	if (code == FF_OK)
		code = ffp_backend_add(table, module, scheme, error);
	if (code != FF_OK)
		dlclose(module);
	return code;
}

/* NAME, where a file is called ff_backend_NAME.so; else empty. */
static ff_text scheme_of(const char *path)
{
	const size_t prefix = sizeof(FILE_PREFIX) - 1, suffix = sizeof(FILE_SUFFIX) - 1;
	const char *slash = strrchr(path, '/');
	const char *file = slash ? slash + 1 : path;
	size_t size = strlen(file);
	if (size <= prefix + suffix || strncmp(file, FILE_PREFIX, prefix) != 0 ||
	    strcmp(file + size - suffix, FILE_SUFFIX) != 0)
		return (ff_text){ NULL, 0 };
	return (ff_text){ file + prefix, size - prefix - suffix };
}

ff_code ff_backend_load(const char *path, ff_error *error)
{
	if (!path || !*path)
		return ff_error_set(error, FF_E_INVALID, "the module's path is empty");
	char *real = realpath(path, NULL); /* a name without a slash would be searched for */
	ff_code code = real ? load_file(real, scheme_of(path), error) : system_error(errno, error);
	free(real);
	if (code != FF_OK)
		ff_error_prefix(error, "cannot load '%s'", path);
	return code;
}

/* ---- FF_BACKEND_PATH ---------------------------------------------------------------------------------------- */

static const char *search_path(void)
{
	const char *path = secure_getenv("FF_BACKEND_PATH");
	return path ? path : "";
}

/* Takes the next folder that is not empty off the path; false where there is none. */
static bool next_folder(const char **path, ff_text *folder)
{
	*path += strspn(*path, ":");
	*folder = (ff_text){ *path, strcspn(*path, ":") };
	*path += folder->size;
	return folder->size != 0;
}

ff_code ffp_load_scheme(ff_text scheme, ff_error *error)
{
	ff_text folder;
	for (const char *path = search_path(); next_folder(&path, &folder);) {
		char *file = NULL;
		if (asprintf(&file, "%.*s/" FILE_PREFIX "%.*s" FILE_SUFFIX, FFP_SHOWN(folder), FFP_SHOWN(scheme)) < 0)
			return ff_error_set(error, FF_E_NO_MEMORY, "out of memory for a path");
		bool there = access(file, F_OK) == 0;
		ff_code code = there ? ff_backend_load(file, error) : FF_OK;
		free(file);
		if (there)
			return code;
	}
	return FF_E_NOT_FOUND;
}

typedef struct listener {
	ff_problem_fn *problem;
	void *context;
} listener;

static void tell(const listener *to, const char *problem)
{
	if (to->problem)
		to->problem(to->context, problem);
}

static void load_unknown(const char *folder, const char *name, const listener *to)
{
	ff_error error;
	char *file = NULL;
	if (ffp_backend_known(scheme_of(name)))
		return;
	if (asprintf(&file, "%s/%s", folder, name) < 0) {
		tell(to, "out of memory for a path");
		return;
	}
	if (ff_backend_load(file, &error) != FF_OK)
		tell(to, error.message);
	free(file);
}

static int is_module(const struct dirent *entry)
{
	return scheme_of(entry->d_name).size != 0;
}

static void load_folder(const char *folder, const listener *to)
{
	struct dirent **names = NULL;
	int count = scandir(folder, &names, is_module, alphasort);
	if (count < 0) {
		ff_error error;
		system_error(errno, &error);
		ff_error_prefix(&error, "cannot read '%s' of FF_BACKEND_PATH", folder);
		tell(to, error.message);
	}
	for (int i = 0; i < count; i++) {
		load_unknown(folder, names[i]->d_name, to);
		free(names[i]);
	}
	free(names);
}

void ff_backend_load_all(ff_problem_fn *problem, void *context)
{
	const listener to = { problem, context };
	ff_text folder;
	for (const char *path = search_path(); next_folder(&path, &folder);) {
		char *name = strndup(folder.data, folder.size);
		if (name)
			load_folder(name, &to);
		else
			tell(&to, "out of memory for a path");
		free(name);
	}
}
