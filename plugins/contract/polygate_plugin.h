/*
 * Polygate's plugin interface for native code: C, C++, Zig, and whatever else can export a C function. Plugins in Rust
 * use the crate in plugins/sdk/rust, which is built on the same.
 *
 * A plugin is a shared library that exports one function, `polygate_plugin_table`, and returns its table from it. The
 * gateway calls `create` once per configuration and worker, then the hooks of that instance, then `destroy`.
 *
 * Texts. A `polygate_text` is a number of bytes: not ended by a NUL, in no encoding. `start` is NULL where there is
 *   nothing. Header names are compared without case; header values may hold any byte but control characters.
 *
 * Ownership. Each side frees what it has allocated; nothing changes hands. What the gateway returns is lent: a text of a
 *   message holds until the plugin next changes that message, or the hook returns; `config` until `create` returns.
 *   What a plugin gives is copied before the call returns. A `polygate_message` must not be kept beyond its hook; a
 *   `polygate_host` holds until `destroy` returns.
 *
 * Threads. An instance is called by the thread that created it, one call at a time, and never from within a call of its
 *   own. The host's functions may be called by that thread alone: those of a message during its hook, `log` at any time
 *   until `destroy` returns, `refuse` during `create`. A gateway runs several workers, each with instances of its own;
 *   those of one process may share the library's own variables, so there should be none that change.
 *
 * Time. A hook runs on the worker's own loop: while it runs, no other request of that worker moves, and nothing can stop
 *   it. It must not block.
 *
 * Failing. A hook that returns POLYGATE_FAILED has failed for this request; what the configuration's `onFailure` says
 *   happens to it. POLYGATE_BROKEN says that the instance cannot go on: it is not called again until the gateway makes
 *   a new one. No C++ exception and no panic may leave a function of the table. The library is never unloaded.
 *
 * Versions. `abi_version` is the same on both sides, or the plugin is refused when it is loaded. Within one version,
 *   tables only grow at their ends, and constants are only added: each side says in `struct_size` how much of its table
 *   there is, and what lies beyond is not there. A plugin that wants a function that a later gateway of the same
 *   version has brought looks at the host's `struct_size` first. A part that a gateway does not know is a text that is
 *   not there.
 */
#ifndef POLYGATE_PLUGIN_H
#define POLYGATE_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define POLYGATE_PLUGIN_ABI 1u

typedef struct polygate_text {
  const uint8_t *start;
  size_t length;
} polygate_text;

typedef struct polygate_header {
  polygate_text name;
  polygate_text value;
} polygate_header;

/* A request or a response, while a hook has it. */
typedef struct polygate_message polygate_message;
typedef struct polygate_host polygate_host;
typedef struct polygate_plugin polygate_plugin;

/* Texts of a message that are no headers. Of a response there is the body alone. */
enum polygate_part {
  POLYGATE_METHOD = 0,
  POLYGATE_SCHEME = 1,         /* `http` or `https`; read only */
  POLYGATE_HOST = 2,           /* with its port where it has one */
  POLYGATE_PATH = 3,           /* percent-encoded, in its normal form, without query */
  POLYGATE_QUERY = 4,          /* without `?`; empty where there is none */
  POLYGATE_REMOTE_ADDRESS = 5, /* of the client; read only; empty for unix sockets */
  POLYGATE_REQUEST_ID = 6,     /* read only */
  POLYGATE_ROUTE = 7,          /* the route's name; read only */
  POLYGATE_CONSUMER = 8,       /* empty while it is not known; set in the hook `authenticate` alone */
  POLYGATE_BODY = 9,           /* whole; not there unless the plugin's manifest asks for it */
  POLYGATE_UPSTREAM = 10       /* the name of another upstream; write only */
};

/* What `create` and the hooks return. */
enum polygate_outcome {
  POLYGATE_DONE = 0,
  POLYGATE_FAILED = 1,
  POLYGATE_BROKEN = 2
};

/* Why an edit was refused; it has changed nothing then. 0: it was not. */
enum polygate_refusal {
  POLYGATE_BAD_NAME = 1,          /* no header name */
  POLYGATE_FIXED_NAME = 2,        /* content-length, transfer-encoding, connection and their like are the gateway's */
  POLYGATE_HOST_AS_HEADER = 3,    /* POLYGATE_HOST is the way to set it */
  POLYGATE_BAD_VALUE = 4,         /* a control character, or white space at its ends */
  POLYGATE_BAD_PATH = 5,          /* does not begin with `/`, or a character that must be percent-encoded */
  POLYGATE_UNSAFE_PATH = 6,       /* climbs above its root, or a broken escape, a NUL, hidden dots */
  POLYGATE_BAD_QUERY = 7,
  POLYGATE_BAD_METHOD = 8,
  POLYGATE_FIXED_METHOD = 9,      /* HEAD, a WebSocket's and that of `OPTIONS *` stay; no other becomes HEAD */
  POLYGATE_BAD_HOST = 10,
  POLYGATE_TOO_MUCH = 11,         /* too many edits of one message, or too large ones */
  POLYGATE_BAD_STATUS = 12,       /* not between 200 and 599 */
  POLYGATE_NO_BODY = 13,          /* the plugin has not asked for this body */
  POLYGATE_BAD_CONTEXT = 14,      /* the name is empty, or a text too long */
  POLYGATE_BAD_CONSUMER = 15,     /* no consumer has this name */
  POLYGATE_BAD_UPSTREAM = 16,     /* no upstream has this name */
  POLYGATE_NOT_IN_THIS_HOOK = 17  /* also: not of this message, and a part that is not known */
};

enum polygate_level {
  POLYGATE_DEBUG = 0,
  POLYGATE_INFO = 1,
  POLYGATE_WARN = 2,
  POLYGATE_ERROR = 3
};

/* What the gateway offers an instance. */
struct polygate_host {
  uint32_t abi_version; /* POLYGATE_PLUGIN_ABI */
  uint32_t struct_size; /* bytes of this table that there are */

  /* A line for the gateway's log, which names the plugin, the hook, the route and the request. Long ones are cut. */
  void (*log)(const polygate_host *host, uint32_t level, polygate_text message);
  /* In `create`, before it returns POLYGATE_FAILED: what is wrong with the configuration, for whoever wrote it. */
  void (*refuse)(const polygate_host *host, polygate_text reason);

  /* A polygate_part. What earlier edits have made of it, not what the client sent. */
  polygate_text (*text)(const polygate_message *message, uint32_t part);
  /* Returns 0 or a polygate_refusal, as do all edits. An empty query takes it away. */
  int32_t (*set_text)(polygate_message *message, uint32_t part, polygate_text value);

  /* The first value of a name. */
  polygate_text (*header)(const polygate_message *message, polygate_text name);
  /*
   * Fills `out` with up to `capacity` fields in their order, repeated names one by one; returns how many there are in
   * all. `out` may be NULL where `capacity` is 0.
   */
  size_t (*headers)(const polygate_message *message, polygate_header *out, size_t capacity);
  /* Replaces all fields of that name by one. */
  int32_t (*set_header)(polygate_message *message, polygate_text name, polygate_text value);
  /* Adds one behind those that are there. */
  int32_t (*append_header)(polygate_message *message, polygate_text name, polygate_text value);
  /* Removes all fields of that name; one that is not there is no error. */
  int32_t (*remove_header)(polygate_message *message, polygate_text name);

  /* A text that travels with the request from hook to hook and from plugin to plugin. */
  polygate_text (*context)(const polygate_message *request, polygate_text name);
  int32_t (*set_context)(polygate_message *request, polygate_text name, polygate_text value);

  /* Of a response; 0 for a request. */
  int32_t (*status)(const polygate_message *response);
  int32_t (*set_status)(polygate_message *response, int32_t status);

  /*
   * Answers the client in the upstream's place. The last call counts; no later plugin is called. The hook returns
   * POLYGATE_DONE afterwards.
   */
  int32_t (*respond)(polygate_message *request, int32_t status, const polygate_header *headers, size_t header_count,
                     polygate_text body);
  /* Before a hook returns POLYGATE_FAILED or POLYGATE_BROKEN: why, for the log. The first call counts. */
  void (*fail)(polygate_message *message, polygate_text reason);
};

/* What a plugin is. A hook that it does not have is NULL; the manifest's `hooks` must all be there. */
struct polygate_plugin {
  uint32_t abi_version; /* POLYGATE_PLUGIN_ABI */
  uint32_t struct_size; /* sizeof(polygate_plugin) */

  /*
   * Makes an instance for one configuration, a JSON text in UTF-8. Returns a polygate_outcome; with POLYGATE_DONE
   * `*instance` is what the other functions get, and may be NULL.
   */
  int32_t (*create)(const polygate_host *host, polygate_text config, void **instance);
  /* The last call of an instance; not called where `create` has not returned POLYGATE_DONE. May be NULL. */
  void (*destroy)(void *instance);

  /* Hooks, in the order of a request; each returns a polygate_outcome. */
  int32_t (*request)(void *instance, polygate_message *request);
  int32_t (*authenticate)(void *instance, polygate_message *request);
  int32_t (*authorize)(void *instance, polygate_message *request);
  int32_t (*forward)(void *instance, polygate_message *request);
  /* The request can only be read, but for its context. */
  int32_t (*response)(void *instance, polygate_message *response, polygate_message *request);
  /* Nothing can be edited; `response` is NULL where the upstream gave none. */
  int32_t (*log)(void *instance, polygate_message *request, polygate_message *response);
};

/* The one function that a plugin exports. The table must stay where it is for as long as the process lives. */
#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
const polygate_plugin *polygate_plugin_table(void);

#ifdef __cplusplus
}
#endif

#endif
