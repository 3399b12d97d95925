/* Stores that are files, or a folder of them. */
#include "floor.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool floor_file_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

void floor_remove_files(const char *path, const char *const *ends, size_t count)
{
	char file[4096];
	int failed = 0;
	for (size_t i = 0; i < count; i++) {
		snprintf(file, sizeof(file), "%s%s", path, ends[i]);
		if (remove(file) != 0 && errno != ENOENT && errno != ENOTDIR && !failed)
			failed = errno;
	}
	if (failed) {
		snprintf(file, sizeof(file), "remove '%s'", path);
		floor_die(file, strerror(failed));
	}
}
