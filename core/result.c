#include "result.h"

typedef struct result {
	ff_allocator allocator;
	size_t size;
	_Alignas(16) char bytes[];
} result;

void *ffp_pack(ffp_packer *packer, size_t count, size_t size)
{
	char *at = packer->base ? packer->base + packer->used : NULL;
	packer->used += (count * size + 15) & ~(size_t)15;
	return at;
}

const char *ffp_pack_text(ffp_packer *packer, ff_text text)
{
	char *copy = ffp_pack(packer, text.size + 1, 1);
	if (copy && text.size)
		memcpy(copy, text.data, text.size);
	return copy;
}

static void *new_result(const ff_allocator *allocator, size_t size)
{
	result *made = allocator->resize(allocator->context, NULL, 0, sizeof(result) + size);
	if (!made)
		return NULL;
	made->allocator = *allocator;
	made->size = sizeof(result) + size;
	return memset(made->bytes, 0, size);
}

ff_code ffp_result_pack(const ff_allocator *allocator, ffp_pack_fn *pack, void *context, const void **result_out,
                        ff_error *error)
{
	ffp_packer packer = { NULL, 0 };
	ff_code code = pack(&packer, context, error);
	if (code != FF_OK)
		return code;
	packer = (ffp_packer){ new_result(allocator, packer.used), 0 };
	if (!packer.base)
		return ff_error_set(error, FF_E_NO_MEMORY, "out of memory for a result");
	*result_out = packer.base;
	return pack(&packer, context, error);
}

void ff_free(const void *handed_out)
{
	if (!handed_out)
		return;
	result *freed = (result *)(void *)((char *)(uintptr_t)handed_out - offsetof(result, bytes));
	ff_allocator allocator = freed->allocator;
	allocator.resize(allocator.context, freed, freed->size, 0);
}
