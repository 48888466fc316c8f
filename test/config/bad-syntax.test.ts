// Files that are no configuration at all, or whose YAML is broken: one clear line each, never a stack trace.
import { badConfigurations } from './bad-configurations.ts'

badConfigurations([
  {
    title: 'an empty file',
    text: '',
    errors: ['1:1: found an empty file, expected a mapping with listen, upstreams and routes'],
  },
  {
    title: 'comments only',
    text: '# nothing',
    errors: ['1:1: found an empty file, expected a mapping with listen, upstreams and routes'],
  },
  {
    title: 'a text',
    text: 'hello',
    errors: ['1:1: found "hello", expected a mapping with listen, upstreams and routes'],
  },
  {
    title: 'a list',
    text: '[1]',
    errors: ['1:1: found a list, expected a mapping with listen, upstreams and routes'],
  },
  {
    title: 'null',
    text: 'null',
    errors: ['1:1: found nothing, expected a mapping with listen, upstreams and routes'],
  },
  {
    title: 'a nested mapping on one line',
    text: 'a: b: c',
    errors: ['1:4: not readable as YAML: Nested mappings are not allowed in compact mappings'],
  },
  {
    title: 'an open bracket',
    text: 'listen: [',
    errors: [
      '1:10: not readable as YAML: Flow sequence in block collection must be sufficiently indented and end with a ]',
    ],
  },
  {
    title: 'tabs',
    text: '	- x',
    errors: ['1:1: not readable as YAML: Tabs are not allowed as indentation'],
  },
  {
    title: 'an open quote',
    text: `listen: [{ port: 8080 }]
workers: "2`,
    errors: ['2:12: not readable as YAML: Missing closing "quote'],
  },
  {
    title: 'a duplicate key',
    text: `listen: [{ port: 8080 }]
workers: 1
workers: 2`,
    errors: ['3:1 workers: duplicate key, first on line 2'],
  },
  {
    title: 'a key twice in JSON',
    text: '{"listen": [{"port": 1, "port": 2}]}',
    errors: ['1:25 listen[0].port: duplicate key, first on line 1'],
  },
  {
    title: 'two documents',
    text: `listen: [{ port: 8080 }]
---
listen: []`,
    errors: ['2:1: not readable as YAML: found a second document (---), expected one'],
  },
  {
    title: 'YAML 1.1',
    text: `%YAML 1.1
---
listen: [{ port: 8080 }]`,
    errors: ['1:1: found YAML 1.1, expected YAML 1.2'],
  },
  {
    title: 'an unknown tag',
    text: `listen: [{ port: 8080 }]
workers: !auto 2`,
    errors: ['2:10: not readable as YAML: Unresolved tag: !auto'],
  },
  {
    title: 'a key that is a list',
    text: `listen: [{ port: 8080 }]
? [a]
: 1`,
    errors: ['2:3: found a key that is no plain word, expected a word'],
  },
  {
    title: 'an alias without anchor',
    text: `listen: [{ port: 8080 }]
workers: *none`,
    errors: ['2:10 workers: alias *none names no anchor before it'],
  },
  {
    title: 'an alias inside itself',
    text: `listen: [{ port: 8080 }]
x-a: &a { b: [*a] }`,
    errors: ['2:15 x-a.b[0]: alias *a stands inside what it names'],
  },
  {
    title: 'a merge of a number',
    text: `listen: [{ port: 8080 }]
upstreams: { <<: 5 }`,
    errors: ['2:18 upstreams["<<"]: found number 5, expected a mapping or a list of mappings to merge'],
  },
  {
    title: 'a bare variable in flow style',
    text: 'listen: [{ port: ${PORT} }]',
    errors: [
      '1:19: not readable as YAML: Unexpected flow-map-start at node end; inside [ ] and { } a ${NAME} must stand in quotes',
    ],
  },
  {
    title: 'deep nesting',
    text: `listen: [{ port: 8080 }]
x-deep: ${'['.repeat(70)}${']'.repeat(70)}`,
    errors: [
      '2:73 x-deep[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]: nested more than 64 deep',
    ],
  },
  {
    title: 'keys of Object.prototype',
    text: `listen: [{ port: 8080 }]
__proto__: { a: 1 }
constructor: 1
toString: 1`,
    errors: [
      '2:1 __proto__: unknown key, expected one of listen, workers, admin, limits, counting, timeouts, accessLog, forwarded, upstreams, consumers, plugins, routes',
      '3:1 constructor: unknown key, expected one of listen, workers, admin, limits, counting, timeouts, accessLog, forwarded, upstreams, consumers, plugins, routes',
      '4:1 toString: unknown key, expected one of listen, workers, admin, limits, counting, timeouts, accessLog, forwarded, upstreams, consumers, plugins, routes',
    ],
  },
  {
    title: 'a number for a key',
    text: `listen: [{ port: 8080 }]
1: 2`,
    errors: [
      '2:1 1: unknown key, expected one of listen, workers, admin, limits, counting, timeouts, accessLog, forwarded, upstreams, consumers, plugins, routes',
    ],
  },
  {
    title: 'an alias of the wrong kind',
    text: `listen: [{ port: 8080 }]
x-n: &n 2
admin: *n`,
    errors: ['2:9 admin: found number 2, expected a mapping with address, port, token'],
  },
])
