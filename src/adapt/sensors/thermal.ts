/** Temperatures of Linux: /sys/class/thermal, and /sys/class/hwmon where no zone belongs to the processor. */
import { type FileTree, numberIn } from './fileTree.ts';
import type { Signal, Temperature } from './signals.ts';

const ZONES = 'sys/class/thermal';
const MONITORS = 'sys/class/hwmon';
/** Millidegrees that a working sensor can report. Broken ones say −273200, 0 or 200000. */
const [LEAST, MOST] = [-40_000, 150_000];
/** Names of zones at the processor, of many makers. */
const PROCESSOR = /cpu|soc|pkg|package|core|tsens|big|little|acpitz|k10temp|zenpower|bcm2835|tctl|mtkts/i;
/** Zones beside the processor, which also match above: batteries and modems have other limits. */
const OTHERS = /batt|charger|modem|wifi|gpu|ddr|nvme|pmic|usb|xo|rf|pa_/i;
/** A critical limit is where the device switches off. It should be left alone this far below. */
const BELOW_CRITICAL = 15;

export interface ThermalZone {
  readonly name: string;
  readonly celsius: number;
  readonly limit?: number;
  readonly source: string;
  readonly isProcessor: boolean;
}

/** All zones with a plausible temperature. */
export async function thermalZones(tree: FileTree): Promise<ThermalZone[]> {
  const zones: ThermalZone[] = [];
  for (const folder of await tree.list(ZONES)) {
    if (!folder.startsWith('thermal_zone')) continue;
    const path = `${ZONES}/${folder}`;
    const value = await numberIn(tree, `${path}/temp`, LEAST, MOST);
    const name = (await tree.text(`${path}/type`))?.trim() ?? folder;
    if (value === undefined || value === 0) continue;
    const limit = await tripPoint(tree, path);
    zones.push({
      name,
      celsius: value / 1000,
      limit,
      source: `${folder}/temp (${name})`,
      isProcessor: isProcessor(name),
    });
  }
  for (const folder of await tree.list(MONITORS)) zones.push(...(await monitored(tree, folder)));
  return zones;
}

/** The hottest zone of the processor, or of the device if none is known to be the processor's. */
export async function temperatureOf(tree: FileTree): Promise<Signal<Temperature> | undefined> {
  const zones = await thermalZones(tree);
  const own = zones.filter((zone) => zone.isProcessor);
  const [hottest] = (own.length > 0 ? own : zones).sort((a, b) => headroom(a) - headroom(b));
  if (!hottest) return undefined;
  const { celsius, limit, source } = hottest;
  return { value: limit === undefined ? { celsius } : { celsius, limit }, source };
}

/** Zones with a limit are compared by their distance to it, others as if it were 100 °C. */
const headroom = ({ celsius, limit = 100 }: ThermalZone): number => limit - celsius;

const isProcessor = (name: string): boolean => PROCESSOR.test(name) && !OTHERS.test(name);

/** The lowest passive trip point, where the system starts to slow the processor down; else below the critical one. */
async function tripPoint(tree: FileTree, path: string): Promise<number | undefined> {
  const passive: number[] = [];
  const critical: number[] = [];
  for (const file of await tree.list(path)) {
    const [, index] = /^trip_point_(\d+)_temp$/.exec(file) ?? [];
    if (index === undefined) continue;
    // trip points that are not set are 0, −274000 or far above any temperature
    const value = await numberIn(tree, `${path}/${file}`, 1000, MOST);
    const type = (await tree.text(`${path}/trip_point_${index}_type`))?.trim();
    if (value === undefined) continue;
    if (type === 'passive') passive.push(value / 1000);
    if (type === 'hot' || type === 'critical') critical.push(value / 1000);
  }
  if (passive.length > 0) return Math.min(...passive);
  return critical.length > 0 ? Math.min(...critical) - BELOW_CRITICAL : undefined;
}

async function monitored(tree: FileTree, folder: string): Promise<ThermalZone[]> {
  const path = `${MONITORS}/${folder}`;
  const name = (await tree.text(`${path}/name`))?.trim() ?? folder;
  if (!/^(coretemp|k10temp|zenpower|cpu_thermal|soc_thermal)$/.test(name)) return [];
  const value = await numberIn(tree, `${path}/temp1_input`, LEAST, MOST);
  if (value === undefined || value === 0) return [];
  const most = await numberIn(tree, `${path}/temp1_max`, 1000, MOST);
  const critical = await numberIn(tree, `${path}/temp1_crit`, 1000, MOST);
  const limit = most === undefined ? critical && critical / 1000 - BELOW_CRITICAL : most / 1000;
  return [{ name, celsius: value / 1000, limit, source: `${folder}/temp1_input (${name})`, isProcessor: true }];
}
