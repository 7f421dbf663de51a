/**
 * What a machine must have for scenarios: the devices of all of them, and for each scenario which of the machine's devices are its own.
 * One machine serves many scenarios in turn, so that what one of them leaves behind meets the next.
 * Next: run_scenario.ts
 */
import { UsageError } from '@faultlab/core/base/errors';
import { type DeviceConfig, type DeviceOptions, resolveDevice } from './device/device_options.ts';
import type { MachineConfig, MachineOptions } from './machine_config.ts';
import type { Scenario, ScenarioNeeds } from './scenario.ts';

const isSame = (one: DeviceConfig, other: DeviceConfig): boolean => JSON.stringify(one) === JSON.stringify(other);

/** Places in `there` of devices like the wanted ones, each another; -1 for one that is not there. */
function findDevices(wanted: readonly DeviceConfig[], there: readonly DeviceConfig[]): number[] {
  const taken = new Set<number>();
  return wanted.map((device) => {
    const place = there.findIndex((candidate, at) => !taken.has(at) && isSame(candidate, device));
    taken.add(place);
    return place;
  });
}

/** Devices that are enough for each of the scenarios. */
export function devicesFor(scenarios: readonly ScenarioNeeds[]): DeviceOptions[] {
  const options: DeviceOptions[] = [];
  const resolved: DeviceConfig[] = [];
  for (const { devices = [] } of scenarios) {
    const wanted = devices.map(resolveDevice);
    findDevices(wanted, resolved).forEach((place, at) => {
      if (place >= 0) return;
      options.push(devices[at] as DeviceOptions);
      resolved.push(wanted[at] as DeviceConfig);
    });
  }
  return options;
}

/** Reclaim by age is on unless a scenario says otherwise: a kernel has no switch for it. */
const SYSCTL = { lru: 1 } as const;

/** What a machine must be booted with to be enough for each of the scenarios, and with reclaim by age, as stress runs have it. */
export const machineFor = (scenarios: readonly ScenarioNeeds[]): Pick<Required<MachineOptions>, 'devices' | 'background' | 'sysctl'> => ({
  devices: devicesFor(scenarios),
  sysctl: SYSCTL,
  background: [...new Set(scenarios.flatMap(({ background = [] }) => background))],
});

/** The machine's numbers of a scenario's devices. @throws UsageError when the machine lacks a device, a thread, or CPUs */
export function devicesOf(scenario: Scenario, { devices, cpus, background }: MachineConfig): number[] {
  const places = findDevices((scenario.devices ?? []).map(resolveDevice), devices);
  const missing = places.indexOf(-1);
  if (missing >= 0) {
    const { latency = 'zero' } = (scenario.devices ?? [])[missing] ?? {};
    throw new UsageError(
      `Scenario ${scenario.name} needs a device with the latency ${JSON.stringify(latency)}, which this machine does not have; boot it with machineFor([scenario]).`,
    );
  }
  const thread = scenario.background?.find((name) => !background.includes(name));
  if (thread !== undefined) {
    throw new UsageError(`Scenario ${scenario.name} needs the background thread ${thread}; boot the machine with machineFor([scenario]).`);
  }
  const { cpusMin = 1 } = scenario;
  if (cpus < cpusMin) throw new UsageError(`Scenario ${scenario.name} needs ${cpusMin} CPUs, but there are ${cpus}; raise cpus.`);
  return places;
}
