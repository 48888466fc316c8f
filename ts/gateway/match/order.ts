// THE ORDER in which routes are tried. The first one whose host, path, headers and method all fit takes the request;
// when one does not fit, the next is tried. Not the order of the file, except where all else is equal:
//
//   1. priority      higher first (0 unless set)
//   2. host          exact name, then `*.` with the longest suffix, then routes without hosts
//   3. path          exact, then with {name}, then regular expressions, then `/*`
//                    with {name}: from the left, a literal segment before a {name}
//                    expressions: in the order in which they first appear in the configuration
//                    `/*`: from the left, a literal segment before a {name}, a {name} before the `*` (so the longest)
//   4. header rules  more of them first
//   5. methods       routes that list methods before those that take any; for HEAD, those that list HEAD before those
//                    that take it because they list GET
//   6. configuration what stands first
//
// Expressions stand before `/*` as in nginx and Kong, where a location or route of that kind beats a plain prefix, and
// behind exact paths as in nginx. A path too long for an expression that may take quadratic time (regex.ts) ends the
// search there with 404: falling through to a less guarded route would be a way around the guards.
//
// No route: 404, but 405 when only methods did not fit; Allow then lists those of the routes whose host, path and
// headers do. A CORS preflight (OPTIONS with Origin and Access-Control-Request-Method) goes to the route that the
// announced request would go to, if that has `cors`; otherwise it is an OPTIONS request like any other.
//
// router.ts finds by this order, explain.ts shows it; the test has it written down once more.
import { hostFit, type Candidate } from './candidate.ts'
import type { Pattern } from './pattern.ts'

export type Criterion = 'priority' | 'host' | 'path' | 'header rules' | 'methods' | 'configuration'

/** Each expression's place in the configuration, by its text. */
export function regexPlaces(candidates: readonly Candidate[]): ReadonlyMap<string, number> {
  const places = new Map<string, number>()
  for (const { pattern } of candidates) {
    if (pattern.kind === 'regex' && !places.has(pattern.text)) places.set(pattern.text, places.size)
  }
  return places
}

/** Which of two routes is tried first for a request, and by which criterion. `sign` is negative for the first. */
export function compare(
  a: Candidate,
  b: Candidate,
  method: string,
  host: string,
  places: ReadonlyMap<string, number>,
): { readonly sign: number; readonly by: Criterion } {
  const steps: readonly (readonly [Criterion, number])[] = [
    ['priority', b.priority - a.priority],
    ['host', hostFit(b, host) - hostFit(a, host)],
    ['path', comparePatterns(a.pattern, b.pattern, places)],
    ['header rules', b.rules.length - a.rules.length],
    ['methods', methodClass(a.methods, method) - methodClass(b.methods, method)],
  ]
  const decisive = steps.find(([, sign]) => sign !== 0)
  return decisive ? { by: decisive[0], sign: decisive[1] } : { by: 'configuration', sign: a.route - b.route }
}

export const inLeaf = (a: Candidate, b: Candidate, method: string): number =>
  b.priority - a.priority ||
  b.rules.length - a.rules.length ||
  methodClass(a.methods, method) - methodClass(b.methods, method) ||
  a.route - b.route

function methodClass(methods: readonly string[], method: string): number {
  if (methods.length === 0) return 2
  return method === 'HEAD' && !methods.includes('HEAD') ? 1 : 0
}

const kinds = ['exact', 'param', 'regex', 'prefix'] as const

function comparePatterns(a: Pattern, b: Pattern, places: ReadonlyMap<string, number>): number {
  if (a.kind !== b.kind) return kinds.indexOf(a.kind) - kinds.indexOf(b.kind)
  if (a.kind === 'regex') return places.get(a.text)! - places.get(b.text)!
  const length = Math.max(a.segments.length, b.segments.length)
  for (let i = 0; i < length; i++) {
    const difference = segmentClass(a.segments[i]) - segmentClass(b.segments[i])
    if (difference !== 0) return difference
  }
  return 0
}

const segmentClass = (segment: string | null | undefined): number =>
  segment === undefined ? 2 : segment === null ? 1 : 0
