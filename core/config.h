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

#define FFP_URI_SHOWN 256

/* The URI as an error may show it, cut to the size: without the password of //USER:PASSWORD@HOST. NULL is empty. */
const char *ffp_uri_show(const char *uri, char shown[FFP_URI_SHOWN]);

#endif
