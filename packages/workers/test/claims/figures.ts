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
  C4: {
    held: {
      ...{ readsBefore: 100, readsAfter: 20, fall: 80, ioShare: 85, msBefore: 30, msAfter: 1 },
      ...{ writeWaitBefore: 900, writeWaitAfter: 200, writersHalf: 100, writersAsBefore: 0, writesBefore: 60, writesAfter: 62 },
    },
    notHeld: [{ fall: -3 }, { fall: 40 }, { msAfter: 25 }, { writersHalf: 0, writersAsBefore: 100 }],
    undecided: [
      { fall: 70 },
      { msBefore: 0.2, msAfter: 0.1 },
      { msAfter: 10 },
      { writersHalf: 80 },
      { writersHalf: 0, writersAsBefore: 80 },
      { writeWaitBefore: 0 },
    ],
  },
  C5: {
    held: {
      ...{ goneBefore: 40, goneOften: 100, goneHardly: 0, goneVma: 1, usesBefore: 1000, usesVma: 1700, usesHold: 1800 },
      ...{ gainVma: 1.7, gainOften: 100, gainHardly: 0, gainHold: 1.8, spreadBefore: 4, spreadVma: 20 },
    },
    notHeld: [{ goneOften: 0, goneHardly: 100 }, { goneVma: 30 }, { gainOften: 0, gainHardly: 100 }],
    undecided: [{ goneOften: 80 }, { goneOften: 0, goneHardly: 80 }, { goneVma: 8 }, { gainOften: 60 }, { gainOften: 0, gainHardly: 40 }],
  },
  C6: {
    held: {
      ...{ faultPerPair: 25, readsBefore: 100, readsAfter: 116, gain: 16, p: 0.008, pushesBefore: 50, pushesAfter: 50.2, pushGain: 0.4 },
      ...{ gainLow: 8, gainHigh: 24, pushLow: -3, pushHigh: 4, retriesBefore: 40, retriesAfter: 12 },
    },
    notHeld: [
      { gain: 0.5, gainLow: -1, gainHigh: 1.8, p: 0.7 },
      { gain: -20, gainLow: -30, gainHigh: -9 },
      { gain: 90, gainLow: 70, gainHigh: 110 },
      { pushGain: -30, pushLow: -40, pushHigh: -21 },
    ],
    undecided: [
      { gain: 3, gainLow: -2, gainHigh: 9 },
      { gain: -48, gainLow: -133, gainHigh: -6, p: 0.1 },
      { gain: -12, gainLow: -50, gainHigh: 30, p: 0.4 },
      { gain: 7, faultPerPair: 10 },
      { gain: 1, gainLow: 0.5, gainHigh: 1.5, faultPerPair: 10 },
      { p: 0.2 },
      { pushGain: 15 },
      { pushGain: 39, pushLow: -5, pushHigh: 70 },
    ],
  },
  C7: {
    held: {
      ...{ forkHold: 25, forkHoldMax: 51, forkMainline: 0.4, forkRetryVma: 0.5, faultHold: 48, faultMainline: 3 },
      ...{ munmapHold: 47, munmapHoldAlone: 4, munmapMainline: 5 },
    },
    notHeld: [{ forkHold: 1 }, { forkMainline: 20 }, { forkRetryVma: 30 }, { faultHold: 2 }, { munmapHold: 3 }, { munmapHoldAlone: 40 }],
    undecided: [{ forkHold: 7 }, { forkMainline: 8 }, { faultHold: 20 }, { munmapHold: 20 }, { munmapHoldAlone: 20 }],
  },
  C8: {
    held: { one: 9, four: 4, many: 1, mmapHold: 9, growth: 9, against: 1 },
    notHeld: [{ growth: 1.1 }, { four: 20 }, { against: 0.1 }, { against: 5 }],
    undecided: [{ growth: 1.7 }, { four: 11 }, { against: 0.4 }, { against: 2.5 }],
  },
  C9: {
    held: {
      cores: 64,
      faultPerPair: 25,
      oneMmap: 500_000,
      oneVma: 495_000,
      oneGain: -1,
      oneSame: 100,
      oneOther: 0,
      allMmap: 2_000_000,
      allVma: 2_500_000,
      allGain: 25,
    },
    notHeld: [{ oneGain: -20, oneSame: 0, oneOther: 100 }, { allGain: -3 }],
    undecided: [{ cores: 2 }, { faultPerPair: 12 }, { oneSame: 80 }, { oneGain: -12, oneSame: 0, oneOther: 60 }, { allGain: 2 }],
  },
  C10: {
    held: { cores: 16, rejectRate: 1000, trylockRate: 3000, gain: 3, rejectAttempts: 1, trylockAttempts: 0.1 },
    notHeld: [{ gain: 1 }, { rejectAttempts: 0.2 }, { trylockAttempts: 0.95 }],
    undecided: [{ gain: 1, cores: 2 }, { gain: 1.5 }, { trylockAttempts: 0.6 }],
  },
  C11: {
    held: { cMmap: 147, cMainline: 6, cRetryVma: 6, bHold: 9, cHold: 6, bHoldArea: 135, cHoldArea: 6, dHoldArea: 132 },
    notHeld: [
      { cMmap: 3 },
      { cMainline: 120 },
      { cRetryVma: 120 },
      { bHold: 120 },
      { cHold: 120 },
      { bHoldArea: 6 },
      { cHoldArea: 120 },
      { dHoldArea: 3 },
    ],
    undecided: [{ cMmap: 60 }, { cMainline: 60 }, { bHold: 60 }, { cHold: 60 }, { bHoldArea: 60 }, { dHoldArea: 60 }],
  },
  C12: {
    held: { walksWithout: 0, walksWith: 50, waitWithout: 1, waitWith: 4, failedWithout: 2, failedWith: 9 },
    notHeld: [{ waitWith: 1.1 }, { failedWith: 1 }],
    undecided: [
      { walksWith: 0 },
      { walksWithout: 3 },
      { waitWith: 1.6 },
      { waitWithout: 0, waitWith: 0 },
      { failedWithout: 0, failedWith: 0.2 },
      { failedWith: 3 },
    ],
  },
  C13: {
    held: { mmapOnly: 380, mainline: 385, retryVma: 382, hold: 390, reacquire: 384, device: 400, apart: 2.6 },
    notHeld: [{ apart: 80 }, { mainline: 100 }],
    undecided: [{ apart: 30 }, { hold: 200 }],
  },
  C14: {
    held: {
      ...{ linesMainline: 1459, linesHold: 1420, linesRetryVma: 1460, linesReacquire: 1495, linesLeast: 1436 },
      ...{ branchesMainline: 479, branchesHold: 465, branchesRetryVma: 481, branchesReacquire: 492, branchesLeast: 470 },
      ...{ retriesMainline: 16, retriesHold: 8, retriesRetryVma: 16, retriesReacquire: 9, retriesLeast: 9 },
    },
    notHeld: [{ linesHold: 1450 }, { branchesHold: 470 }, { retriesHold: 9 }, { linesRetryVma: 1459 }],
    undecided: [],
  },
  C16: {
    held: { shmem: 1, zram: 1, disk: 0, shmem66: 1, holdDisk: 1 },
    notHeld: [{ shmem: 0 }, { zram: 0.5 }, { disk: 1 }, { shmem66: 0 }, { holdDisk: 0 }],
    undecided: [],
  },
  C15: {
    held: { first60: 0, later60: 2, first618: 0, later618: 2, laterRetryVma: 1 },
    notHeld: [{ first60: 2 }, { later60: 0 }, { first618: 1 }, { later618: 0 }],
    undecided: [],
  },
  C17: {
    held: { fileWaited: 4, fileLocks: 2, fileRetries: 1, swapWaited: 4, swapLocks: 0.67, swapRetries: 1 },
    notHeld: [{ fileLocks: 1 }, { swapLocks: 1.33 }, { swapRetries: 1.25 }, { swapRetries: 0.75 }, { fileRetries: 0.67 }],
    undecided: [{ fileWaited: 3 }, { swapWaited: 2 }],
  },
};
