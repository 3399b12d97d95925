/* Store URIs: SCHEME:PATH[?NAME=VALUE[&…]], and what backends ask about their parameters. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <uriparser/Uri.h>

/* The sslpassword, too, and one behind a '?' or ';' that was to be a '&'; and what a name with escapes may be. `size` is
 * that of name and value. */
static bool is_secret(const char *name, size_t name_size, size_t size)
{
	static const char secret[] = "password=";
	return memchr(name, '%', name_size) || memmem(name, size, secret, sizeof(secret) - 1);
}

/* A password among the parameters is no place for one, but somebody may have put it there. */
static void hide_parameters(char *shown)
{
	char *at = strchr(shown, '?');
	while (at) {
		const char *name = at + 1;
		size_t size = strcspn(name, "=&");
		at += 1 + size;
		size_t value = *at == '=' ? strcspn(at + 1, "&") : 0;
		if (value && is_secret(name, size, size + 1 + value)) {
			size_t stars = value < 3 ? value : 3;
			memset(at + 1, '*', stars);
			memmove(at + 1 + stars, at + 1 + value, strlen(at + 1 + value) + 1);
		}
		at = strchr(at, '&');
	}
}

const char *ffp_uri_show(const char *uri, char shown[FFP_URI_SHOWN])
{
	const char *user = uri ? strstr(uri, "://") : NULL;
	const char *end = user ? user + 3 + strcspn(user + 3, "/?") : NULL;
	const char *at = end;
	while (at && at > user && *at != '@')
		at--;
	const char *password = at > user ? memchr(user + 3, ':', (size_t)(at - user - 3)) : NULL;
	if (password)
		snprintf(shown, FFP_URI_SHOWN, "%.*s:***%s", (int)(password - uri), uri, at);
	else
		snprintf(shown, FFP_URI_SHOWN, "%s", uri ? uri : "");
	hide_parameters(shown);
	return shown;
}

/* What is escaped by halves, or would be a fragment, would name another store than was meant. */
static ff_code check_escapes(const char *uri, ff_error *error)
{
	static const char hex[] = "0123456789abcdefABCDEF";
	char shown[FFP_URI_SHOWN];
	if (strchr(uri, '#'))
		return ff_error_set(error, FF_E_INVALID, "store '%s' holds a '#', which is written %%23",
		                    ffp_uri_show(uri, shown));
	for (const char *at = strchr(uri, '%'); at; at = strchr(at + 1, '%')) {
		if (strspn(at + 1, hex) < 2)
			return ff_error_set(
			    error, FF_E_INVALID,
			    "store '%s' holds a '%%' that no two hexadecimal digits follow; itself it is "
			    "written %%25",
			    ffp_uri_show(uri, shown));
		if (at[1] == '0' && at[2] == '0')
			return ff_error_set(error, FF_E_INVALID, "store '%s' holds a NUL", ffp_uri_show(uri, shown));
	}
	return FF_OK;
}

/* The path is a file name as people type it, so only the query follows RFC 3986 to the letter. */
static ff_code copy_path(ffp_uri *parsed, const char *uri, size_t scheme_size, size_t path_size, ff_error *error)
{
	char shown[FFP_URI_SHOWN];
	if (path_size == 0)
		return ff_error_set(error, FF_E_INVALID, "store '%s' names no path after '%.*s:'",
		                    ffp_uri_show(uri, shown), (int)scheme_size, uri);
	parsed->texts = strndup(uri, scheme_size + 1 + path_size);
	if (!parsed->texts)
		return ff_error_set(error, FF_E_NO_MEMORY, "out of memory for the store's URI");
	parsed->texts[scheme_size] = '\0';
	parsed->scheme = parsed->texts;
	parsed->path = parsed->texts + scheme_size + 1;
	uriUnescapeInPlaceExA(parsed->texts + scheme_size + 1, URI_FALSE, URI_BR_DONT_TOUCH);
	return FF_OK;
}

static ff_code copy_params(ffp_uri *parsed, const char *query, ff_error *error)
{
	UriQueryListA *list = NULL;
	int count = 0;
	const char *end = query + strlen(query);
	if (uriDissectQueryMallocExA(&list, &count, query, end, URI_FALSE, URI_BR_DONT_TOUCH) != URI_SUCCESS)
		return ff_error_set(error, FF_E_NO_MEMORY, "out of memory for the store's URI"); /* it takes any text */
	parsed->query = list;
	parsed->params = calloc((size_t)count + 1, sizeof(*parsed->params));
	if (!parsed->params)
		return ff_error_set(error, FF_E_NO_MEMORY, "out of memory for the store's URI");
	for (UriQueryListA *at = list; at; at = at->next)
		parsed->params[parsed->params_count++] = (ff_param){ at->key, at->value ? at->value : "" };
	return FF_OK;
}

ff_code ffp_uri_parse(const char *uri, ffp_uri *parsed, ff_error *error)
{
	char shown[FFP_URI_SHOWN];
	*parsed = (ffp_uri){ 0 };
	const char *colon = uri ? strchr(uri, ':') : NULL;
	if (!colon || colon == uri)
		return ff_error_set(error, FF_E_INVALID, "store '%s' is no URI of the form SCHEME:PATH",
		                    ffp_uri_show(uri, shown));
	const char *question = strchr(colon, '?');
	size_t path_size = question ? (size_t)(question - colon) - 1 : strlen(colon + 1);
	ff_code code = check_escapes(uri, error);
	if (code == FF_OK)
		code = copy_path(parsed, uri, (size_t)(colon - uri), path_size, error);
	if (code == FF_OK && question && question[1])
		code = copy_params(parsed, question + 1, error);
	if (code != FF_OK)
		ffp_uri_free(parsed);
	return code;
}

void ffp_uri_free(ffp_uri *parsed)
{
	free(parsed->texts);
	free(parsed->params);
	uriFreeQueryListA(parsed->query);
	*parsed = (ffp_uri){ 0 };
}

const char *ff_config_param(const ff_store_config *config, const char *name)
{
	for (size_t i = 0; i < config->params_count; i++)
		if (strcmp(config->params[i].name, name) == 0)
			return config->params[i].value;
	return NULL;
}

static bool is_known(const char *const *known, const char *name)
{
	while (*known && strcmp(*known, name) != 0)
		known++;
	return *known != NULL;
}

/* How much is told of a parameter's name, in whole characters. */
static int shown_size(const char *name)
{
	size_t size = strnlen(name, 40);
	while (size && ((unsigned char)name[size] & 0xc0) == 0x80)
		size--;
	return (int)size;
}

static ff_code unknown_param(const char *name, const char *const *known, ff_error *error)
{
	char list[sizeof(error->message)] = "";
	size_t used = 0;
	for (size_t i = 0; known[i] && used < sizeof(list); i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "", known[i]);
	return ff_error_set(error, FF_E_INVALID, "unknown parameter '%.*s', known are: %s", shown_size(name), name,
	                    used ? list : "none");
}

ff_code ff_config_check(const ff_store_config *config, const char *const *known, ff_error *error)
{
	for (size_t i = 0; i < config->params_count; i++) {
		const char *name = config->params[i].name;
		if (!is_known(known, name))
			return unknown_param(name, known, error);
		for (size_t j = 0; j < i; j++)
			if (strcmp(config->params[j].name, name) == 0)
				return ff_error_set(error, FF_E_INVALID, "parameter '%s' is given twice", name);
	}
	return FF_OK;
}

ff_code ff_config_int64(const ff_store_config *config, const char *name, int64_t min, int64_t max, int64_t *value,
                        ff_error *error)
{
	const char *text = ff_config_param(config, name);
	if (!text)
		return FF_OK;
	char *end;
	errno = 0;
	long long number = strtoll(text, &end, 10);
	bool plain = (text[0] >= '0' && text[0] <= '9') || text[0] == '-';
	if (!plain || *end || errno || number < min || number > max)
		return ff_error_set(error, FF_E_INVALID,
		                    "parameter '%s' is '%s', it takes an integer %" PRId64 " to %" PRId64, name, text,
		                    min, max);
	*value = number;
	return FF_OK;
}

ff_code ff_config_durability(const ff_store_config *config, ff_durability *durability, ff_error *error)
{
	static const char *const words[] = {
		[FF_DURABILITY_FULL] = "full", [FF_DURABILITY_NORMAL] = "normal", [FF_DURABILITY_NONE] = "none"
	};
	const char *text = ff_config_param(config, "durability");
	*durability = FF_DURABILITY_FULL;
	for (size_t i = 0; text && i < sizeof(words) / sizeof(*words); i++) {
		if (strcmp(text, words[i]) == 0) {
			*durability = (ff_durability)i;
			text = NULL;
		}
	}
	if (text)
		return ff_error_set(error, FF_E_INVALID,
		                    "parameter 'durability' is '%s', it takes full, normal or none", text);
	return FF_OK;
}

ff_code ff_config_wait(const ff_store_config *config, ff_wait *wait, ff_error *error)
{
	int64_t busy_timeout_ms = 5000;
	ff_code code = ff_config_int64(config, "busy_timeout_ms", 0, INT32_MAX, &busy_timeout_ms, error);
	*wait = (ff_wait){ .limit_us = busy_timeout_ms * 1000 };
	return code;
}
