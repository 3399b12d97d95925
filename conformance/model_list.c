/* Lists, walked from end to end. */
#include "model_list.h"

#include <string.h>

#include "text.h"

void *ffp_list_at(const ffp_model_list *of, size_t i)
{
	return i ? of->items + i * of->size : of->items;
}

void *ffp_list_find(const ffp_model_list *of, const char *name)
{
	for (size_t i = 0; i < of->count; i++) {
		if (!strcmp(ffp_list_at(of, i), name))
			return ffp_list_at(of, i);
	}
	return NULL;
}

void *ffp_list_make(ffp_model_list *of, const char *name, size_t size)
{
	void *found = ffp_list_find(of, name);
	if (found)
		return found;
	of->size = size;
	of->items = ffp_resize(of->items, (of->count + 1) * size);
	size_t at = 0;
	while (at < of->count && strcmp(ffp_list_at(of, at), name) < 0)
		at++;
	char *made = ffp_list_at(of, at);
	memmove(made + size, made, (of->count++ - at) * size);
	memset(made, 0, size);
	memcpy(made, name, strlen(name));
	return made;
}

void ffp_list_drop(ffp_model_list *of, void *item)
{
	char *end = ffp_list_at(of, of->count--);
	char *next = (char *)item + of->size;
	memmove(item, next, (size_t)(end - next));
}
