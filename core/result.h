/* Results that are handed out: one piece of memory each, which ff_free gives back to where it came from. */
#ifndef FFP_RESULT_H
#define FFP_RESULT_H

#include <ff/backend.h>
#include <ff/ff.h>

/*
 * A result is laid out twice by the same code: once with `base` NULL, which counts the bytes, and once more into memory
 * of that size. Pointers answered by the first pass are NULL and must not be followed.
 */
typedef struct ffp_packer {
	char *base;
	size_t used;
} ffp_packer;

/* `count` elements of `size` bytes. */
void *ffp_pack(ffp_packer *packer, size_t count, size_t size);

/* A copy with a NUL after it. */
const char *ffp_pack_text(ffp_packer *packer, ff_text text);

/* Lays something out; called twice, and must use the packer alike. */
typedef ff_code ffp_pack_fn(ffp_packer *packer, void *context, ff_error *error);

/* A result laid out by `pack`: its first element is what *result points to. FF_E_NO_MEMORY, or pack's own error. */
ff_code ffp_result_pack(const ff_allocator *allocator, ffp_pack_fn *pack, void *context, const void **result,
                        ff_error *error);

#endif
