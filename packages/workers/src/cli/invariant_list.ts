/**
 * The invariants that are checked while a machine runs and when it rests, one sentence each.
 */
export interface ListedInvariant {
  readonly id: string;
  readonly holds: string;
}

const row = (id: string, holds: string): ListedInvariant => ({ id, holds });

export const CHECKED_INVARIANTS: readonly ListedInvariant[] = [
  row('I01', 'mmap_lock has one writer and nobody else, or any number of readers'),
  row('I02', 'the count word of mmap_lock agrees with who holds it'),
  row('I03', 'nobody read-locks an area between its write lock and the end of that write section'),
  row('I04', 'the reference count of an area has only the values of its states'),
  row('I05', 'the write stamp of an area changes only when its readers are gone'),
  row('I06', 'areas are write-locked, attached and detached only under mmap_lock held for writing'),
  row('I07', 'the write sequence of an address space is odd exactly while a write section lasts'),
  row('I08', 'at most one task waits for the readers of the areas of an address space'),
  row('I09', 'each attempt at a fault releases its lock exactly once'),
  row('I10', 'nothing of an area is used after its lock was released'),
  row('I11', 'locks are taken in one order'),
  row('I12', 'a fault is entered with a legal combination of flags'),
  row('I13', 'a fault ends with a legal combination of result bits'),
  row('I14', 'the fast path is tried only for user faults that hold no mmap_lock'),
  row('I15', 'a page-table entry changes only under its lock, and an install finds what it expected'),
  row('I16', 'no entry leads to a free frame; an entry of a file area leads to the page of that file and index'),
  row('I17', 'a frame has as many mappings as entries point to it, and as many references as users'),
  row('I18', 'only pages that are up to date are mapped'),
  row('I21', 'the areas of a tree are sorted and disjoint, and a lookup finds one that covers the page'),
  row('I22', 'a slot is not reborn between lock and unlock'),
  row('I23', 'nothing is mapped where munmap has returned'),
  row('I24', 'every anonymous frame is found through the reverse map'),
  row('I25', 'a read returns the last write; fresh pages are zero; copies are isolated'),
  row('I26', 'no entry is written into a freed page table'),
  row('I27', 'every finished fault is charged once, as major or as minor'),
  row('I28', 'nothing that a reader can reach is freed before its section ends'),
  row('I30', 'a writer sees no effect of a fault on an area that it has locked'),
  row('I33', 'a page that reclaim could take is on exactly one of its lists, or on its way there'),
  row('L01', 'a fault ends after few attempts'),
  row('L02', 'a task that was killed leaves its fault'),
  row('L03', 'nobody sleeps for a condition that is true'),
  row('L04', 'a read trylock does not go past one who waits'),
  row('L05', 'a waiter for a folio lock is overtaken five times at most'),
  row('outcome', 'an access or a call ends only as the areas it meets allow'),
  row('exclusion', 'two CPUs are never inside one lock (what the canary breaks)'),
  row('Q01', 'at rest, mmap_lock is free, nobody waits, and the sequence is even'),
  row('Q02', 'at rest, every area has exactly its own reference'),
  row('Q03', 'at rest, nobody sleeps and no folio is locked'),
  row('Q04', 'at rest, the areas in use are those in the trees'),
  row('Q05', 'at rest, the references of every frame are accounted for'),
  row('Q07', 'at rest, reverse maps and files are referenced as often as they are used'),
  row('Q08', 'at rest, the fault counters agree with each other'),
  row('Q09', 'at rest, nothing waits for a grace period'),
  row('Q10', 'at rest, locks were released as often as they were taken'),
  row('Q11', 'at rest, every fault that began has ended'),
];
