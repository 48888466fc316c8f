// Types and constants of the addon's passwords: users known by their hashes, verified off the loop, remembered for a while.
// The guard stage and the command `key` use it. The Rust side is native/addon/src/passwords.rs, over native/passwords.

export interface NativePasswordsModule {
  /**
   * `heads`: the id of the worker's RequestHeads. `key`: 32 random bytes, of this process alone. `onChecked(count)` is
   * called when hashes have been computed: so many pairs of tag and outcome then lie in `results`, valid until it returns.
   */
  Passwords: new (heads: number, key: Uint8Array, onChecked: (count: number) => void) => NativePasswords
  /** An argon2id hash for the configuration; takes about 20 ms and 19 MiB, here and now. `salt`: 16 random bytes. */
  passwordHash(password: Uint8Array, salt: Uint8Array): string
}

export interface PasswordAccount {
  readonly username: string
  /** Any of them will do; at most `maxHashesOfUser`. */
  readonly hashes: readonly string[]
}

export interface NativePasswords {
  readonly results: Int32Array
  /** A number, valid until `dropAccounts`. Throws TypeError for what is no hash, or costs too much. */
  accounts(list: readonly PasswordAccount[]): number
  dropAccounts(accounts: number): void
  /**
   * The number of the hash that the password in the Authorization header of the slot's head fits, over all accounts in
   * their order, or a PasswordCheck. With `later` the tag comes back in `results`, once, with one of the others.
   */
  check(accounts: number, slot: number, tag: number): number
}

/** What `check` says where no password fits. */
export const PasswordCheck = {
  /** There are no credentials, or of another scheme. */
  missing: -1,
  /** There is more than one header. */
  ambiguous: -2,
  /** There is no such user. */
  unknown: -3,
  wrong: -4,
  /** They are not as RFC 7617 has them, or too long. */
  malformed: -5,
  later: -6,
  /** Too many hashes wait, or this one has waited for too long. */
  overloaded: -7,
  failed: -8,
} as const

/** Each is tried, so that a password can be replaced by another; `MAX_HASHES` in native/passwords. */
export const maxHashesOfUser = 4
