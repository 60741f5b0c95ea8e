"""What made-up phones answer to our scripts, written from the format rules; no phone printed it."""

from __future__ import annotations

GALAXY_S23 = """#props
[ro.product.manufacturer]: [samsung]
[ro.product.model]: [SM-S911B]
[ro.product.device]: [dm1q]
[ro.build.version.release]: [16]
[ro.build.version.sdk]: [36]
[ro.soc.manufacturer]: [QTI]
[ro.soc.model]: [SM8550]
[ro.board.platform]: [kalama]
[ro.hardware.egl]: [adreno]
[ro.product.cpu.abilist]: [arm64-v8a,armeabi-v7a,armeabi]
#cpu
/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq:2016000
/sys/devices/system/cpu/cpu1/cpufreq/cpuinfo_max_freq:2016000
/sys/devices/system/cpu/cpu2/cpufreq/cpuinfo_max_freq:2016000
/sys/devices/system/cpu/cpu3/cpufreq/cpuinfo_max_freq:2803200
/sys/devices/system/cpu/cpu4/cpufreq/cpuinfo_max_freq:2803200
/sys/devices/system/cpu/cpu5/cpufreq/cpuinfo_max_freq:2803200
/sys/devices/system/cpu/cpu6/cpufreq/cpuinfo_max_freq:2803200
/sys/devices/system/cpu/cpu7/cpufreq/cpuinfo_max_freq:3360000
#online
0-7
#allowed
Cpus_allowed_list:\t0-7
#mem
MemTotal:        7242448 kB
#gpu
Adreno740v2
#opencl
/vendor/lib64/libOpenCL.so
"""

QUIET = """#thermal
IsStatusOverride: false
Thermal Status: 1
Cached temperatures:
\tTemperature{mValue=84.2, mType=0, mName=CPU, mStatus=0}
\tTemperature{mValue=48.5, mType=3, mName=SKIN, mStatus=0}
HAL Ready: true
Current temperatures from HAL:
\tTemperature{mValue=51.5, mType=0, mName=CPU0, mStatus=0}
\tTemperature{mValue=57.9, mType=0, mName=CPU7, mStatus=0}
\tTemperature{mValue=34.4, mType=3, mName=SKIN, mStatus=0}
\tTemperature{mValue=0.0, mType=2, mName=SUBBAT, mStatus=0}
\tTemperature{mValue=3980.0, mType=6, mName=vbat, mStatus=0}
Temperature static thresholds from HAL:
\tTemperatureThreshold{mType=3, mName=SKIN, mHotThrottlingThresholds=[NaN, NaN, NaN, 50.0]}
#battery
Current Battery Service state:
  AC powered: false
  USB powered: true
  status: 2
  level: 44
  scale: 100
  voltage: 3908
  temperature: 321
#power
  mWakefulness=Awake
#saver
null
#stat
cpu  1000 200 300 9000 400 0 100 0 0 0
cpu0 100 20 30 900 40 0 10 0 0 0
#load
1.25 1.00 0.80 1/2000 12345
#clocks
1000000
2000000
#governor
walt
walt
"""


def shell(command: str) -> tuple[str, str, int]:
    """Answer the scripts for facts and for conditions."""
    return (GALAXY_S23 if "getprop" in command else QUIET), "", 0
