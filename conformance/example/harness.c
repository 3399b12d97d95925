/* The conformance suite on the backend in memory: how its stores are made, and nothing else. */
#include <stdio.h>

#include <ff/conformance.h>

#include "memory.h"

static bool make(void *context, char uri[FF_URI_SIZE])
{
	unsigned *made = context;
	snprintf(uri, FF_URI_SIZE, "memory:store-%u", ++*made);
	return true;
}

static bool make_impatient(void *context, const char *uri, char impatient[FF_URI_SIZE])
{
	(void)context;
	return snprintf(impatient, FF_URI_SIZE, "%s?busy_timeout_ms=0", uri) < FF_URI_SIZE;
}

static void destroy(void *context, const char *uri)
{
	(void)context;
	memory_destroy(uri + sizeof("memory:") - 1);
}

int main(int argc, char **argv)
{
	unsigned made = 0;
	const ff_harness harness = {
		.name = "memory",
		.context = &made,
		.make = make,
		.shared = true,  /* the same URI is the same store, as long as the process lives */
		.missing = make, /* a store that nobody has opened does not exist */
		.impatient = make_impatient,
		.destroy = destroy,
	};
	const ff_harness *const harnesses[] = { &harness };
	ff_error error;
	if (ff_backend_register(&ff_backend_plugin, &error) != FF_OK) {
		fprintf(stderr, "%s\n", error.message);
		return 2;
	}
	return ff_conformance_main(argc, argv, harnesses, 1);
}
