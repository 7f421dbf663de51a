/** Figures for the checks of claims: those of a claim that holds, and changes that make it not hold, or leave it open. */
export interface Cases {
  readonly held: Readonly<Record<string, number>>;
  readonly notHeld: readonly Readonly<Record<string, number>>[];
  readonly undecided: readonly Readonly<Record<string, number>>[];
}

export const FIGURES: Readonly<Record<string, Cases>> = {
  C1: {
    held: { oldRetry: 2, oldCompleted: 1, newRetry: 1, newCompleted: 1 },
    notHeld: [{ oldRetry: 1 }, { oldCompleted: 2 }, { newRetry: 2 }, { newCompleted: 1.01 }],
    undecided: [],
  },
  C2: {
    held: { before: 1200, after: 1000, gain: 16.7, saved: 200, vain: 210, gainWorked: 2, pair: 40, faultPerPair: 25, pageFor12: 1600 },
    notHeld: [{ saved: 600 }, { saved: -20 }, { saved: 50 }, { gainWorked: 16 }],
    undecided: [{ saved: 480 }, { saved: 90 }, { gainWorked: 10 }],
  },
  C3: {
    held: { readerHold: 95, readerDrop: 97, writerHold: 190, writerDrop: 20_000, writerGain: 105 },
    notHeld: [{ readerDrop: 130 }, { writerHold: 1000 }, { writerGain: 3 }],
    undecided: [{ readerDrop: 115 }, { writerHold: 500 }, { writerGain: 15 }],
  },
  C15: {
    held: { first60: 0, later60: 2, first618: 0, later618: 2, laterRetryVma: 1 },
    notHeld: [{ first60: 2 }, { later60: 0 }, { first618: 1 }, { later618: 0 }],
    undecided: [],
  },
  C17: {
    held: { fileWaited: 4, fileLocks: 2, fileRetries: 1, swapWaited: 4, swapLocks: 0.67, swapRetries: 1 },
    notHeld: [{ fileLocks: 1 }, { swapLocks: 1.33 }, { swapRetries: 1.33 }, { fileRetries: 0.67 }],
    undecided: [{ fileWaited: 3 }, { swapWaited: 2 }],
  },
};
