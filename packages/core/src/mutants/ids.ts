/**
 * The numbers of the mutants: real bugs, each a switch at the place where its fix is. `cpu.mutant` is one of them, or NO_MUTANT.
 *
 *   if (cpu.mutant !== MUTANT_B15) vma_mark_detached(cpu, vma);
 *
 * They are numbers, so that a CPU pays one load and one compare where a fix is; everything that is to be said about them is in the tables.
 * Numbers stay what they are: results name them.
 * Next: mutants/catalogue.ts
 */

/** The right model. */
export const NO_MUTANT = 0;

export const MUTANT_B01 = 1;
export const MUTANT_B02 = 2;
export const MUTANT_B03 = 3;
export const MUTANT_B03B = 4;
export const MUTANT_B04 = 5;
export const MUTANT_B05 = 6;
export const MUTANT_B06 = 7;
export const MUTANT_B07 = 8;
export const MUTANT_B09 = 9;
export const MUTANT_B10 = 10;
export const MUTANT_B11 = 11;
export const MUTANT_B12 = 12;
export const MUTANT_B12B = 13;
export const MUTANT_B14 = 14;
export const MUTANT_B14B = 15;
export const MUTANT_B15 = 16;
export const MUTANT_B16 = 17;
export const MUTANT_B18 = 18;
export const MUTANT_B19 = 19;
export const MUTANT_B20 = 20;
export const MUTANT_B22 = 21;
export const MUTANT_B23A = 22;
export const MUTANT_B23B = 23;
export const MUTANT_B23C = 24;
export const MUTANT_B24 = 25;
export const MUTANT_B25 = 26;
export const MUTANT_B26 = 27;
export const MUTANT_B27_MAPPING = 28;
export const MUTANT_B27_SIZE = 29;
export const MUTANT_B27_UNMAP = 30;
export const MUTANT_B28_ANON = 31;
export const MUTANT_B28_FILE = 32;
export const MUTANT_B28_NUMA = 33;
export const MUTANT_B28_SWAP = 34;
export const MUTANT_B28_WP = 35;
export const MUTANT_B31A = 37;
export const MUTANT_B32_DONTNEED = 39;
export const MUTANT_B32_REMOVE = 40;
export const MUTANT_B33A = 41;
export const MUTANT_B33B = 42;
export const MUTANT_B33C = 43;
export const MUTANT_B33D = 44;
export const MUTANT_B34B = 45;
export const MUTANT_B34C = 46;
export const MUTANT_B34D = 47;
export const MUTANT_B36 = 48;
export const MUTANT_B36B = 49;
export const MUTANT_B38 = 50;
export const MUTANT_B39_ACCOUNT = 51;
export const MUTANT_B39_FILE = 52;
export const MUTANT_B40 = 53;
export const MUTANT_B41 = 54;
export const MUTANT_B42 = 55;
export const MUTANT_B44 = 56;
export const MUTANT_B46_NOWAIT = 57;
export const MUTANT_B46_TWICE = 58;
export const MUTANT_B47 = 59;
export const MUTANT_B48 = 60;
export const MUTANT_B49 = 61;
export const MUTANT_B50 = 62;
export const MUTANT_B51 = 63;
export const MUTANT_B52 = 64;
export const MUTANT_B53 = 65;
