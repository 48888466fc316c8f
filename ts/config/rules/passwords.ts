// Rules about passwords: each username is one consumer's, and basic guards can be passed. Must print no hash.
import { maxHashesOfUser } from '../../shared/native-passwords.ts'
import { child, entriesOf, itemsOf, textOf, type Node } from '../nodes.ts'
import { passwordHash } from '../password-hash.ts'
import { trailOf } from '../problems.ts'
import { placedChecks, together } from './placed-checks.ts'
import type { Rule } from './rule.ts'

export const distinctUsers: Rule = (root, problems) => {
  const users = new Map<string, { consumer: string; passwords: number }>()
  for (const [consumer, { node }] of entriesOf(child(root, 'consumers'))) {
    for (const [index, password] of itemsOf(child(node, 'passwords')).entries()) {
      const hash = textOf(password) ?? textOf(child(password, 'hash'))
      if (hash === undefined || passwordHash(hash) !== null) continue
      const username = textOf(child(password, 'username')) ?? consumer
      const trail = trailOf('consumers', consumer, 'passwords', index)
      const user = users.get(username)
      if (user === undefined) users.set(username, { consumer, passwords: 1 })
      else if (user.consumer !== consumer) {
        problems.add(
          password.offset,
          trail,
          `the same username as one of consumer ${user.consumer}, expected one of its own`,
        )
      } else if (++user.passwords === maxHashesOfUser + 1) {
        problems.add(password.offset, trail, `more than ${maxHashesOfUser} passwords of one user: each costs a hash`)
      }
    }
  }
}

/** A guard that no client can pass, or that says twice who the client is. */
export const soundBasicGuards: Rule = (root, problems) => {
  const anyPassword = [...entriesOf(child(root, 'consumers'))].some(
    ([, { node }]) => itemsOf(child(node, 'passwords')).length > 0,
  )
  for (const [index, route] of itemsOf(child(root, 'routes')).entries()) {
    soundIn(route, index, anyPassword, problems)
  }
}

function soundIn(route: Node, index: number, anyPassword: boolean, problems: Parameters<Rule>[1]): void {
  const found = placedChecks(route, index).filter(({ kind }) => kind === 'basic')
  for (const [at, one] of found.entries()) {
    const { guard, trail } = one
    if (!anyPassword) problems.add(guard.offset, trail, 'nobody could pass: no consumer has a password')
    if (found.slice(0, at).some(before => together(before, one))) {
      problems.add(guard.offset, trail, 'found a second basic guard, expected one: a client has one password')
    }
  }
}
