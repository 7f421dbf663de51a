/**
 * The numbers under which callbacks are given to call_rcu: what waits for a grace period is a number and an argument in shared memory,
 * never a function. Whoever builds a Cpu puts the functions at these positions of `rcuCallbacks`.
 * @kernel include/linux/rcupdate.h (rcu_head holds a function pointer there)
 * @fidelity reduced: 24 bits of argument
 * Next: mm/maple_node.ts has the first of them
 */

/** Argument: the node. The function is mt_free_rcu() of mm/maple_node.ts. */
export const RCU_FREE_MAPLE_NODE = 0;
/** Argument: the area. Only where areas outlive their readers by a grace period (per-VMA locks before 6.15). */
export const RCU_FREE_VMA = 1;
