/**
 * The tree of areas: page number -> VMA. A B-tree whose nodes never change once published, so that a reader needs no lock: it follows
 * children from the root down, and sees the tree as it was before a store or after it, never a mixture.
 *
 *   reader                                    writer (mmap_lock held for writing)
 *   1 reads the root, then a child word       2 builds a new leaf beside the old one
 *                                             3 one atomic store: the child word leads to the new leaf
 *   4 searches the leaf it found              4 call_rcu: the old leaf is freed when no reader can be in it
 *     old leaf: as if it had come earlier
 *
 * Two facts keep every operation short. Every leaf but the first starts exactly with its first area, and the bounds in inner nodes are
 * those first pages. So no hole lies in two leaves, and the area before a page is always in the leaf whose bounds include that page.
 *
 * The tree is a handful of files; this one is their common door, and lists what the rest of the model uses.
 * @kernel lib/maple_tree.c, include/linux/maple_tree.h
 * @fidelity reduced: the tree word and a page instead of a cursor; ranges of 31-bit page numbers; one kind of tree
 * Next: mm/maple_node.ts, then maple_walk, maple_store, maple_rebuild, maple_gaps, maple_validate
 */
export { mas_empty_area, mas_empty_area_rev, NO_AREA } from './maple_gaps.ts';
export { MT_MAX, mt_free_rcu } from './maple_node.ts';
export { __mt_destroy, mas_destroy, mas_preallocate, mas_store_prealloc } from './maple_store.ts';
export { mt_count, mt_height, mt_nodes, mt_validate } from './maple_validate.ts';
export { type MasRange, mas_find, mas_find_range, mas_walk, mt_for_each, mt_next, mt_prev } from './maple_walk.ts';
