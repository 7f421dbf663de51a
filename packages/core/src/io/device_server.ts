/**
 * What the CPU of a device does: claim what was submitted, let each request's time pass, complete it, and sleep in between.
 *
 * A sleep with a time-out ends late, by some 70 microseconds on a usual Linux. The server learns how late and sets its sleeps that much
 * shorter; what is left when it wakes up, usually a few microseconds and never more than 50, it spends looking at the clock. That is the
 * device's time, not the waiting CPU's; where spinning does not pay (`cpu.spin` is off) the device sleeps to the end and is late instead.
 * @kernel none: the hardware and its interrupt
 * @fidelity reduced: one CPU per device; the end_io function runs on it, not on the CPU that submitted
 * Next: io/service_queue.ts
 */
import type { Word } from '../base/brand.ts';
import { Prng } from '../base/prng.ts';
import type { Cpu } from '../cpu.ts';
import { cpu_relax } from '../locking/cpu_relax.ts';
import { checkFreeze } from '../memory/park.ts';
import { PC_PROGRESS, WAIT_IO } from '../memory/percpu.ts';
import { rcu_note_quiescent } from '../sched/rcu_state.ts';
import { __set_current_state_running, schedule, schedule_timeout, set_current_state, TASK_UNINTERRUPTIBLE } from '../sched/task.ts';
import { count_vm_event, INJECTED_SLOW_IO } from '../trace/counters.ts';
import { claimRequest, completeRequest, hasClaimable, isDeviceSilent } from './block_device.ts';
import { D_QUEUE_DEPTH, type DeviceId, deviceField, deviceWord, NO_REQUEST, requestSubmitUs } from './device_record.ts';
import { injectedSlownessUs } from './error_injection.ts';
import { drawLatencyUs, type LatencyModel } from './latency_model.ts';
import { ServiceQueue } from './service_queue.ts';

/** The longest wait that is not slept. */
const SPIN_MS = 0.05;
/** The least time-out of a sleep. */
const SLEEP_MS_MIN = 0.001;
/** How late sleeps end: a first guess, a bound, and the steps by which the guess follows: two thirds of the sleeps are to end in time. */
const LATE_MS_FIRST = 0.05;
const LATE_MS_MAX = 0.2;
const LATER_MS = 0.002;
const EARLIER_MS = 0.001;
/** How often a silent device looks whether it may speak again. */
const SILENT_MS = 20;
const US_PER_MS = 1000;
const NUMBERS = 2 ** 32;

export class DeviceServer {
  readonly #cpu: Cpu;
  readonly #device: DeviceId;
  readonly #model: LatencyModel;
  readonly #prng: Prng;
  readonly #queue: ServiceQueue;
  #drawn = 0;
  #lateMs = LATE_MS_FIRST;

  /** The device is set up with this CPU as its server. @param seed of the times */
  constructor(cpu: Cpu, device: DeviceId, model: LatencyModel, seed: number) {
    this.#cpu = cpu;
    this.#device = device;
    this.#model = model;
    this.#prng = new Prng(seed, device);
    this.#queue = new ServiceQueue(deviceField(cpu.memory, device, D_QUEUE_DEPTH));
  }

  /** Serves until the machine is frozen. @throws MachineStopped then */
  serve(): never {
    for (;;) {
      checkFreeze(this.#cpu);
      rcu_note_quiescent(this.#cpu);
      if (!this.pass()) this.#sleep();
    }
  }

  /** Claims what can be claimed, completes what is due. Never sleeps. @returns whether anything was completed */
  pass(): boolean {
    const cpu = this.#cpu;
    if (isDeviceSilent(cpu, this.#device)) return false;
    this.#claim();
    const due = this.#queue.takeDue(cpu.now());
    if (due === NO_REQUEST) return false;
    completeRequest(cpu, this.#device, due);
    cpu.words[cpu.percpu + PC_PROGRESS] = ((cpu.words[cpu.percpu + PC_PROGRESS] as number) + 1) | 0;
    return true;
  }

  #claim(): void {
    const cpu = this.#cpu;
    while (!this.#queue.full) {
      const request = claimRequest(cpu, this.#device);
      if (request === NO_REQUEST) return;
      const now = cpu.now();
      // The clock of a request has 32 bits of microseconds; the difference is right as long as it is less than half an hour.
      const ageUs = (Math.round(now * US_PER_MS) - requestSubmitUs(cpu.memory, this.#device, request)) | 0;
      const slowUs = injectedSlownessUs(cpu.memory, this.#device, request);
      if (slowUs > 0) count_vm_event(cpu, INJECTED_SLOW_IO);
      const latencyMs = (drawLatencyUs(this.#model, this.#prng, this.#drawn) + slowUs) / US_PER_MS;
      this.#drawn = (this.#drawn + 1) % NUMBERS;
      this.#queue.start(request, now - ageUs / US_PER_MS, latencyMs);
    }
  }

  /** Until the next request is due or a new one comes. */
  #sleep(): void {
    const cpu = this.#cpu;
    const silent = isDeviceSilent(cpu, this.#device);
    const leftMs = silent ? SILENT_MS : this.#queue.nextDueMs - cpu.now();
    if (leftMs <= (cpu.spin ? SPIN_MS : 0)) {
      while (cpu.now() < this.#queue.nextDueMs) cpu_relax(cpu);
      return;
    }
    set_current_state(cpu, TASK_UNINTERRUPTIBLE); // Before the look at the queue. Pairs with: handOver(), which queues, then wakes.
    if (!silent && hasClaimable(cpu, this.#device)) {
      __set_current_state_running(cpu);
      return;
    }
    const word: Word = deviceWord(cpu.memory, this.#device, 0);
    if (leftMs === Number.POSITIVE_INFINITY) schedule(cpu, WAIT_IO, word);
    else this.#sleepFor(word, cpu.spin ? Math.max(leftMs - this.#lateMs, SLEEP_MS_MIN) : leftMs);
  }

  /** A sleep with a time-out, from which the server learns how late such sleeps end. The state is announced. */
  #sleepFor(word: Word, sleepMs: number): void {
    const cpu = this.#cpu;
    const endMs = cpu.now() + sleepMs;
    if (schedule_timeout(cpu, WAIT_IO, word, sleepMs) > 0) return;
    const later = cpu.now() - endMs > this.#lateMs;
    this.#lateMs = Math.min(LATE_MS_MAX, Math.max(0, this.#lateMs + (later ? LATER_MS : -EARLIER_MS)));
  }
}
