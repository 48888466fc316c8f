//! The front end's loaded image: the slots of its global offset table, and how a function is put into one.
//!
//! System V ABI, "Dynamic Linking": a call to another library goes through a slot that the loader fills.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::size_of;

#[cfg(target_arch = "x86_64")]
const JUMP_SLOT: [u64; 2] = [7, 6]; // R_X86_64_JUMP_SLOT, R_X86_64_GLOB_DAT
#[cfg(target_arch = "aarch64")]
const JUMP_SLOT: [u64; 2] = [1026, 1025]; // R_AARCH64_JUMP_SLOT, R_AARCH64_GLOB_DAT
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const JUMP_SLOT: [u64; 2] = [u64::MAX; 2];

const DT_PLTRELSZ: i64 = 2;
const DT_STRTAB: i64 = 5;
const DT_SYMTAB: i64 = 6;
const DT_RELA: i64 = 7;
const DT_RELASZ: i64 = 8;
const DT_JMPREL: i64 = 23;
const RTLD_DI_LINKMAP: c_int = 2;

#[repr(C)]
struct LinkMap {
    base: usize,
    name: *const c_char,
    dynamic: *const Dynamic,
}

#[repr(C)]
struct Dynamic {
    tag: i64,
    value: usize,
}

#[repr(C)]
struct Relocation {
    offset: u64,
    info: u64,
    addend: i64,
}

unsafe extern "C" {
    fn dlinfo(handle: *mut c_void, request: c_int, info: *mut c_void) -> c_int;
}

/// A loaded shared object. It stays loaded for the life of the process: its slots point to us from now on.
pub struct Image {
    base: usize,
    symbols: *const libc::Elf64_Sym,
    strings: *const c_char,
    tables: [(*const Relocation, usize); 2],
}

impl Image {
    /// Loads (or finds) the shared object at `path`. None: it cannot be loaded, or is not laid out as expected.
    pub fn open(path: &CStr) -> Option<Self> {
        // SAFETY: called on the thread that will load the same file as a Node addon. Constructors of the image run here
        // instead of a moment later; RTLD_NODELETE because its slots and ours refer to each other for ever.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NODELETE) };
        if handle.is_null() {
            return None;
        }
        let mut map: *const LinkMap = std::ptr::null();
        // SAFETY: `handle` is live, and for this request dlinfo writes one pointer to the loader's own record.
        let found = unsafe { dlinfo(handle, RTLD_DI_LINKMAP, (&raw mut map).cast()) };
        if found != 0 || map.is_null() {
            return None;
        }
        // SAFETY: the loader keeps the record for as long as the image is loaded, which is for ever.
        let map = unsafe { &*map };
        let entry = |tag: i64| {
            let mut at = map.dynamic;
            // SAFETY: the dynamic section is mapped and ends with an entry of tag 0.
            unsafe {
                while (*at).tag != 0 {
                    if (*at).tag == tag {
                        return Some((*at).value);
                    }
                    at = at.add(1);
                }
            }
            None
        };
        // glibc has added the base to these values already, musl has not.
        let address = |tag: i64| entry(tag).map(|value| if value < map.base { value + map.base } else { value });
        let table = |start: i64, bytes: i64| {
            Some((address(start)? as *const Relocation, entry(bytes)? / size_of::<Relocation>()))
        };
        Some(Self {
            base: map.base,
            symbols: address(DT_SYMTAB)? as *const libc::Elf64_Sym,
            strings: address(DT_STRTAB)? as *const c_char,
            tables: [table(DT_JMPREL, DT_PLTRELSZ)?, table(DT_RELA, DT_RELASZ)?],
        })
    }

    /// Addresses of all slots for the imported function `name`.
    pub fn slots(&self, name: &CStr) -> Vec<*mut *const c_void> {
        let mut found = Vec::new();
        for (start, count) in self.tables {
            for index in 0..count {
                // SAFETY: the table lies in the image, which stays mapped, and has `count` entries.
                let relocation = unsafe { &*start.add(index) };
                if !JUMP_SLOT.contains(&(relocation.info & 0xffff_ffff)) {
                    continue;
                }
                // SAFETY: the symbol index of a relocation of this image lies in its symbol table, and st_name in its
                // string table; both stay mapped.
                let symbol = unsafe {
                    CStr::from_ptr(
                        self.strings.add((*self.symbols.add((relocation.info >> 32) as usize)).st_name as usize),
                    )
                };
                if symbol == name {
                    found.push((self.base + relocation.offset as usize) as *mut *const c_void);
                }
            }
        }
        found
    }
}

/// Puts `function` into `slot`, also where the loader has made it read-only. False: nothing was changed.
pub fn replace(slot: *mut *const c_void, function: *const c_void) -> bool {
    // SAFETY: sysconf has no preconditions.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
    let start = slot as usize & !(page - 1);
    // SAFETY: the page belongs to the image's data segment, which is never executable; making it writable takes nothing
    // from anyone. It stays so: the loader itself writes to neighbouring slots when it binds lazily.
    if unsafe { libc::mprotect(start as *mut c_void, page, libc::PROT_READ | libc::PROT_WRITE) } != 0 {
        return false;
    }
    // SAFETY: an aligned pointer-sized slot; a call on another thread sees the old or the new function, both valid.
    unsafe {
        (*slot.cast::<std::sync::atomic::AtomicPtr<c_void>>())
            .store(function.cast_mut(), std::sync::atomic::Ordering::Release);
    }
    true
}

/// Keeps the shared object that holds `function` loaded for ever: a Node worker thread would unload its addons.
pub fn pin(function: *const c_void) -> bool {
    // SAFETY: zero is a valid value of this plain struct of pointers.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: dladdr only looks the address up and writes `info`; the name that it gives is the loader's own.
    unsafe {
        if libc::dladdr(function, &raw mut info) == 0 || info.dli_fname.is_null() {
            return false;
        }
        let handle = libc::dlopen(info.dli_fname, libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE);
        !handle.is_null()
    }
}

/// A function that the process has already loaded, such as libuv's in `node`.
pub fn loaded(name: &CStr) -> *mut c_void {
    // SAFETY: dlsym with RTLD_DEFAULT only looks the name up.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }
}
