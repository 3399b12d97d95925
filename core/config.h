/* A store's URI, taken apart. */
#ifndef FFP_CONFIG_H
#define FFP_CONFIG_H

#include <ff/backend.h>

struct UriQueryListStructA;

typedef struct ffp_uri {
	const char *scheme;
	const char *path;
	ff_param *params;
	size_t params_count;
	char *texts;
	struct UriQueryListStructA *query;
} ffp_uri;

/* Takes a URI apart; ffp_uri_free gives it back. FF_E_INVALID, FF_E_NO_MEMORY. */
ff_code ffp_uri_parse(const char *uri, ffp_uri *parsed, ff_error *error);
void ffp_uri_free(ffp_uri *parsed);

#endif
