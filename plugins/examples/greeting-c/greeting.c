/*
 * The greeting plugin in C: blocks requests with `x-block`, and greets the upstream.
 *
 *   cc -std=c99 -O2 -fPIC -shared -I../../contract greeting.c -o greeting.so
 */
#include <stdlib.h>
#include <string.h>

#include "polygate_plugin.h"

struct greeting {
  const polygate_host *host;
  size_t length;
  uint8_t text[];
};

static polygate_text text_of(const char *text) {
  return (polygate_text){(const uint8_t *)text, strlen(text)};
}

/* Where the value of the configuration's `"greeting"` begins, or NULL. A plugin with more to read takes a JSON library. */
static const uint8_t *find_greeting(polygate_text config, size_t *length) {
  static const char key[] = "\"greeting\"";
  const uint8_t *end = config.start + config.length;
  for (const uint8_t *at = config.start; end - at > (ptrdiff_t)sizeof key; at++) {
    if (memcmp(at, key, sizeof key - 1) != 0) continue;
    at += sizeof key - 1;
    while (at < end && (*at == ' ' || *at == ':')) at++;
    if (at == end || *at != '"') return NULL;
    const uint8_t *start = ++at;
    while (at < end && *at != '"' && *at != '\\') at++;
    *length = (size_t)(at - start);
    return at < end && *at == '"' ? start : NULL;
  }
  return NULL;
}

static int32_t create(const polygate_host *host, polygate_text config, void **instance) {
  size_t length = 0;
  const uint8_t *value = find_greeting(config, &length);
  if (value == NULL) {
    host->refuse(host, text_of("config: `greeting` must be a text without escapes"));
    return POLYGATE_FAILED;
  }
  struct greeting *greeting = malloc(sizeof *greeting + length);
  if (greeting == NULL) return POLYGATE_FAILED;
  greeting->host = host;
  greeting->length = length;
  memcpy(greeting->text, value, length);
  *instance = greeting;
  return POLYGATE_DONE;
}

static int32_t on_request(void *instance, polygate_message *request) {
  const struct greeting *greeting = instance;
  const polygate_host *host = greeting->host;
  if (host->header(request, text_of("x-block")).start != NULL) {
    const polygate_header type = {text_of("content-type"), text_of("text/plain")};
    return host->respond(request, 403, &type, 1, text_of("blocked")) == 0 ? POLYGATE_DONE : POLYGATE_FAILED;
  }
  const polygate_text text = {greeting->text, greeting->length};
  if (host->set_header(request, text_of("x-greeting"), text) != 0) {
    host->fail(request, text_of("the greeting is no header value"));
    return POLYGATE_FAILED;
  }
  host->remove_header(request, text_of("x-internal"));
  return POLYGATE_DONE;
}

static int32_t on_response(void *instance, polygate_message *response, polygate_message *request) {
  const struct greeting *greeting = instance;
  (void)request;
  return greeting->host->append_header(response, text_of("x-greeted"), text_of("yes")) == 0 ? POLYGATE_DONE
                                                                                          : POLYGATE_FAILED;
}

static const polygate_plugin table = {
    .abi_version = POLYGATE_PLUGIN_ABI,
    .struct_size = sizeof(polygate_plugin),
    .create = create,
    .destroy = free,
    .request = on_request,
    .response = on_response,
};

const polygate_plugin *polygate_plugin_table(void) { return &table; }
