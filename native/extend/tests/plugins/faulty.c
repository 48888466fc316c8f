/* Plugins with one fault each, chosen by FAULT: what a host must refuse, or survive. Built by tests/native_loading.rs. */
#include "polygate_plugin.h"

#define WRONG_VERSION 1
#define TRUNCATED 2
#define NO_SYMBOL 3
#define NO_TABLE 4
#define NO_CREATE 5
#define NO_HOOK 6
#define UNRESOLVED 7
#define SILENT_CREATE 8
#define SILENT_FAILURE 9
#define STRANGE_OUTCOME 10
#define NULLS 11
#define FUTURE 12

static const polygate_host *host;
#if FAULT == NULLS
static const polygate_text nothing = {0, 0};
#endif

static int32_t create(const polygate_host *given, polygate_text config, void **instance) {
  (void)config;
  host = given;
  *instance = 0;
#if FAULT == SILENT_CREATE
  return POLYGATE_FAILED;
#elif FAULT == NULLS
  host->refuse(host, nothing);
  host->log(host, 99, nothing);
#endif
  return POLYGATE_DONE;
}

#if FAULT == UNRESOLVED
int32_t nobody_has_this(void);
#endif

static int32_t on_request(void *instance, polygate_message *request) {
  (void)instance;
  (void)request;
#if FAULT == SILENT_FAILURE
  return POLYGATE_FAILED;
#elif FAULT == STRANGE_OUTCOME
  return 77;
#elif FAULT == UNRESOLVED
  return nobody_has_this();
#elif FAULT == NULLS
  polygate_text text = {0, 5};
  int wrong = host->headers(request, 0, 0) == 0;
  wrong |= host->headers(request, 0, 100) == 0;
  wrong |= host->headers(0, 0, 0) != 0;
  wrong |= host->text(0, POLYGATE_PATH).start != 0;
  wrong |= host->text(request, 1234).start != 0;
  wrong |= host->set_text(request, 1234, nothing) != POLYGATE_NOT_IN_THIS_HOOK;
  wrong |= host->set_text(request, POLYGATE_ROUTE, nothing) != POLYGATE_NOT_IN_THIS_HOOK;
  wrong |= host->set_header(request, nothing, nothing) != POLYGATE_BAD_NAME;
  wrong |= host->set_header(request, text, nothing) != POLYGATE_BAD_NAME;
  wrong |= host->set_header(0, nothing, nothing) != POLYGATE_NOT_IN_THIS_HOOK;
  wrong |= host->header(request, nothing).start != 0;
  wrong |= host->context(request, nothing).start != 0;
  wrong |= host->set_context(request, nothing, nothing) != POLYGATE_BAD_CONTEXT;
  wrong |= host->status(request) != 0;
  wrong |= host->set_status(request, 200) != POLYGATE_NOT_IN_THIS_HOOK;
  wrong |= host->respond(request, -1, 0, 0, nothing) != POLYGATE_BAD_STATUS;
  wrong |= host->respond(request, 65736, 0, 0, nothing) != POLYGATE_BAD_STATUS;
  wrong |= host->respond(request, 204, 0, 7, nothing) != 0;
  host->fail(request, nothing);
  host->fail(0, nothing);
  return wrong ? POLYGATE_FAILED : POLYGATE_DONE;
#else
  return POLYGATE_DONE;
#endif
}

/* A later version of the same interface: longer, and with what this gateway does not know. */
struct longer {
  polygate_plugin known;
  int32_t (*later)(void *instance);
};

static const struct longer table = {
    {
#if FAULT == WRONG_VERSION
        .abi_version = POLYGATE_PLUGIN_ABI + 1,
#else
        .abi_version = POLYGATE_PLUGIN_ABI,
#endif
#if FAULT == TRUNCATED
        .struct_size = sizeof(polygate_plugin) - 8,
#elif FAULT == FUTURE
        .struct_size = sizeof(struct longer),
#else
        .struct_size = sizeof(polygate_plugin),
#endif
        .create = FAULT == NO_CREATE ? 0 : create,
        .request = FAULT == NO_HOOK ? 0 : on_request,
    },
    0,
};

#if FAULT == NO_SYMBOL
const polygate_plugin *another_name(void) { return &table.known; }
#elif FAULT == NO_TABLE
const polygate_plugin *polygate_plugin_table(void) { return table.later == 0 ? 0 : &table.known; }
#else
const polygate_plugin *polygate_plugin_table(void) { return &table.known; }
#endif
