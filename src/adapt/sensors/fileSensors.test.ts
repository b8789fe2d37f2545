import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fileSensors } from './fileSensors.ts';
import type { FileTree } from './fileTree.ts';
import { thermalZones } from './thermal.ts';

const SILENT = () => ({ processors: 4, loadAverage: undefined, memory: undefined, freeMemory: undefined });

/** A tree in memory. The files may change between readings. */
function treeOf(files: Record<string, string>): FileTree {
  return {
    text: async (path) => files[path],
    async list(path) {
      const below = Object.keys(files).filter((file) => file.startsWith(`${path}/`));
      return [...new Set(below.map((file) => file.slice(path.length + 1).split('/')[0]))].sort();
    },
  };
}

/** Files of a folder: { 'thermal_zone0/temp': '…' } → { 'sys/class/thermal/thermal_zone0/temp': '…' }. */
const within = (folder: string, files: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(files).map(([name, text]) => [`${folder}/${name}`, text]));
const thermal = (files: Record<string, string>) => within('sys/class/thermal', files);
const supply = (files: Record<string, string>) => within('sys/class/power_supply', files);
const powercap = (files: Record<string, string>) => within('sys/class/powercap', files);

const read = (files: Record<string, string>) => fileSensors(treeOf(files), SILENT, () => 1).read();

describe('a Raspberry Pi 4', () => {
  it('has a zone without passive trip points, and no battery', async () => {
    const signals = await read({
      ...thermal({
        'thermal_zone0/type': 'cpu-thermal\n',
        'thermal_zone0/temp': '54530\n',
        'thermal_zone0/trip_point_0_type': 'critical\n',
        'thermal_zone0/trip_point_0_temp': '110000\n',
      }),
      'sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq': '900000\n',
      'sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq': '1800000\n',
      'sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq': '900000\n',
      'proc/loadavg': '2.00 1.00 0.50 1/200 4000\n',
      'proc/meminfo': 'MemTotal:        3884000 kB\nMemAvailable:    3000000 kB\n',
    });
    expect(signals.temperature).toEqual({
      value: { celsius: 54.53, limit: 95 },
      source: 'thermal_zone0/temp (cpu-thermal)',
    });
    expect([signals.clock?.value, signals.load?.value]).toEqual([0.5, 0.5]);
    expect([signals.freeMemory?.value, signals.memory?.value]).toEqual([3_000_000 * 1024, 3_884_000 * 1024]);
    expect(signals.battery).toBeUndefined();
  });
});

describe('an Intel laptop', () => {
  const battery = (name: string, now: number, power: number) =>
    supply({
      [`${name}/type`]: 'Battery',
      [`${name}/status`]: power > 0 ? 'Discharging' : 'Unknown',
      [`${name}/capacity`]: String(now),
      [`${name}/energy_full`]: '20000000',
      [`${name}/energy_now`]: String(now * 200000),
      [`${name}/power_now`]: String(power),
    });

  it('drains two batteries one after the other; a mouse is none of them', async () => {
    const signals = await read({
      ...battery('BAT0', 80, 0),
      ...battery('CMB1', 40, 9_500_000),
      ...supply({ 'AC/type': 'Mains', 'AC/online': '0', 'mouse/type': 'Battery', 'mouse/scope': 'Device' }),
      ...supply({ 'mouse/capacity': '3' }),
    });
    expect(signals.battery?.source).toBe('power_supply/BAT0, power_supply/CMB1');
    expect(signals.battery?.value).toEqual({ level: expect.closeTo(0.6), isCharging: false, watts: 9.5 });
  });

  it('takes the zone of the package and its passive limit, not that of the battery or the modem', async () => {
    const { temperature } = await read(
      thermal({
        'thermal_zone0/type': 'INT3400 Thermal',
        'thermal_zone0/temp': '20000',
        'thermal_zone1/type': 'x86_pkg_temp',
        'thermal_zone1/temp': '71000',
        'thermal_zone1/trip_point_0_type': 'passive',
        'thermal_zone1/trip_point_0_temp': '-274000',
        'thermal_zone1/trip_point_1_type': 'passive',
        'thermal_zone1/trip_point_1_temp': '95000',
        'thermal_zone2/type': 'iwlwifi_1',
        'thermal_zone2/temp': '99000',
      }),
    );
    expect(temperature).toEqual({ value: { celsius: 71, limit: 95 }, source: 'thermal_zone1/temp (x86_pkg_temp)' });
  });

  it('counts packages and memory, and neither their parts nor the second interface to them', async () => {
    const files = powercap({
      'intel-rapl:0/name': 'package-0',
      'intel-rapl:0/energy_uj': '1000000',
      'intel-rapl:0/max_energy_range_uj': '262143328850',
      'intel-rapl:0:0/name': 'core',
      'intel-rapl:0:0/energy_uj': '500000',
      'intel-rapl:0:1/name': 'dram',
      'intel-rapl:0:1/energy_uj': '262143000000',
      'intel-rapl:0:1/max_energy_range_uj': '262143328850',
      'intel-rapl:1/name': 'psys',
      'intel-rapl:1/energy_uj': '9000000',
      'intel-rapl-mmio:0/name': 'package-0',
      'intel-rapl-mmio:0/energy_uj': '1000000',
    });
    const sensors = fileSensors(treeOf(files), SILENT, () => 1);
    expect((await sensors.read()).energy?.value).toEqual({ joules: 0, domains: ['package-0', 'dram'] });
    files['sys/class/powercap/intel-rapl:0/energy_uj'] = '3000000';
    // the counter of memory wrapped
    files['sys/class/powercap/intel-rapl:0:1/energy_uj'] = '671150';
    expect((await sensors.read()).energy?.value.joules).toBeCloseTo(2 + 1, 6);
    // root took the permission away
    delete files['sys/class/powercap/intel-rapl:0/energy_uj'];
    delete files['sys/class/powercap/intel-rapl:0:1/energy_uj'];
    expect((await sensors.read()).energy).toBeUndefined();
  });
});

it('reads an AMD machine whose temperature is in hwmon only', async () => {
  const { temperature } = await read(
    within('sys/class/hwmon', {
      'hwmon0/name': 'nvme',
      'hwmon0/temp1_input': '88000',
      'hwmon1/name': 'k10temp',
      'hwmon1/temp1_input': '61250',
      'hwmon1/temp1_crit': '100000',
    }),
  );
  expect(temperature).toEqual({ value: { celsius: 61.25, limit: 85 }, source: 'hwmon1/temp1_input (k10temp)' });
});

it('reads a phone whose battery reports a negative current, and whose sensors are many', async () => {
  const { battery, temperature } = await read({
    ...supply({
      'battery/type': 'Battery',
      'battery/status': 'Discharging',
      'battery/capacity': '57',
      'battery/current_now': '-812000',
      'battery/voltage_now': '3900000',
      'usb/type': 'USB',
    }),
    ...thermal({
      'thermal_zone0/type': 'battery',
      'thermal_zone0/temp': '39000',
      'thermal_zone1/type': 'cpu-0-0-usr',
      'thermal_zone1/temp': '62000',
      'thermal_zone2/type': 'cpu-1-3-usr',
      'thermal_zone2/temp': '66000',
    }),
  });
  expect(battery?.value).toEqual({ level: 0.57, isCharging: false, watts: expect.closeTo(3.1668) });
  expect(temperature?.source).toBe('thermal_zone2/temp (cpu-1-3-usr)');
});

describe('a container', () => {
  it('has a quota in cgroup v2, and periods in which it was held back', async () => {
    const files: Record<string, string> = {
      'sys/fs/cgroup/cpu.max': '150000 100000\n',
      'sys/fs/cgroup/cpu.stat': 'usage_usec 1\nnr_periods 100\nnr_throttled 10\nthrottled_usec 5\n',
    };
    const sensors = fileSensors(treeOf(files), SILENT);
    const first = await sensors.read();
    expect([first.quota?.value, first.throttled]).toEqual([1.5, undefined]);
    files['sys/fs/cgroup/cpu.stat'] = 'usage_usec 1\nnr_periods 120\nnr_throttled 15\nthrottled_usec 5\n';
    expect((await sensors.read()).throttled?.value).toBe(0.25);
  });

  it('has a quota in cgroup v1; none means no limit', async () => {
    const v1 = within('sys/fs/cgroup/cpu', { 'cpu.cfs_quota_us': '200000', 'cpu.cfs_period_us': '100000' });
    expect((await read(v1)).quota?.value).toBe(2);
    expect((await read({ ...v1, 'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1' })).quota).toBeUndefined();
    expect((await read({ 'sys/fs/cgroup/cpu.max': 'max 100000' })).quota).toBeUndefined();
  });
});

it('reads stalls and stolen time of a virtual machine without any other sensor', async () => {
  const files: Record<string, string> = {
    'proc/pressure/cpu':
      'some avg10=12.50 avg60=1.00 avg300=0.10 total=1\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n',
    'proc/stat': 'cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1 1 1 1 1 1 1 1\n',
  };
  const sensors = fileSensors(treeOf(files), SILENT, () => 1);
  const first = await sensors.read();
  expect(first).toEqual({ at: 1, stall: { value: 0.125, source: '/proc/pressure/cpu' } });
  files['proc/stat'] = 'cpu  150 0 100 825 0 0 0 25 0 0\n';
  expect((await sensors.read()).steal?.value).toBe(0.25);
});

it('takes broken sensors for unknown', async () => {
  const zone = (temp: string) => thermal({ 'thermal_zone0/type': 'cpu', 'thermal_zone0/temp': temp });
  for (const temp of ['nan', '', '-273200', '200000', '0', '1e9', '54530x'])
    expect((await read(zone(temp))).temperature, temp).toBeUndefined();
  expect(await thermalZones(treeOf(zone('30000')))).toHaveLength(1);
  const level = (capacity: string) =>
    supply({ 'b/type': 'Battery', 'b/capacity': capacity, 'b/status': 'Discharging' });
  for (const capacity of ['255', '-1', 'NaN']) expect((await read(level(capacity))).battery, capacity).toBeUndefined();
  const watts = { ...level('50'), ...supply({ 'b/power_now': '9000000000000' }) };
  expect((await read(watts)).battery?.value).toEqual({ level: 0.5, isCharging: false });
});

it('reports nothing but the time where there is nothing, and never throws on what files contain', async () => {
  expect(await read({})).toEqual({ at: 1 });
  const paths = [
    'sys/class/thermal/thermal_zone0/temp',
    'sys/class/thermal/thermal_zone0/trip_point_0_temp',
    'sys/class/power_supply/b/type',
    'sys/class/power_supply/b/capacity',
    'sys/class/power_supply/b/power_now',
    'sys/class/powercap/intel-rapl:0/name',
    'sys/class/powercap/intel-rapl:0/energy_uj',
    'sys/fs/cgroup/cpu.max',
    'sys/fs/cgroup/cpu.stat',
    'proc/stat',
    'proc/pressure/cpu',
    'proc/loadavg',
    'proc/meminfo',
  ];
  const content = fc.oneof(fc.string(), fc.double().map(String), fc.constantFrom('Battery', 'package-0', 'cpu 1 2 3'));
  await fc.assert(
    fc.asyncProperty(fc.dictionary(fc.constantFrom(...paths), content), async (files) => {
      const { temperature, battery, stall, quota, load } = await read(files);
      if (temperature) expect(Math.abs(temperature.value.celsius)).toBeLessThanOrEqual(150);
      if (battery) expect(battery.value.level).toBeLessThanOrEqual(1);
      for (const signal of [stall, quota, load]) if (signal) expect(signal.value).toBeGreaterThanOrEqual(0);
    }),
  );
});
