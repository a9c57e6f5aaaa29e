#!/usr/bin/env bash
# A Slurm of one node on this machine, for tests: munged, slurmctld and slurmd, with all of their files in a folder.
#
#     tests/sweep/slurm.sh FOLDER        # starts it, and prints "ready"; ends it, with all jobs, when its standard input closes
#
# Needs root, and Debian's packages slurm-wlm and munge. It needs no systemd and no cgroups, so it runs in a container.
set -euo pipefail
folder=$(realpath "$1")
cores=$(getconf _NPROCESSORS_ONLN)      # nproc would heed OMP_NUM_THREADS
port=$(shuf -i 20000-29998 -n 1)
mkdir -p "$folder"/{state,spool,run}
export SLURM_CONF=$folder/slurm.conf

head -c 1024 /dev/urandom > "$folder/munge.key"
chmod 400 "$folder/munge.key"
chmod 755 "$folder" "$folder/run"

cat > "$SLURM_CONF" <<EOF
ClusterName=tests
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
AuthType=auth/munge
AuthInfo=socket=$folder/run/munge.socket
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/run/slurmctld.pid
SlurmdPidFile=$folder/run/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
MailProg=/bin/true
SwitchType=switch/none
ReturnToService=2
KillWait=5
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=$cores State=UNKNOWN
PartitionName=tests Nodes=ALL Default=YES MaxTime=INFINITE State=UP
EOF

stop() {
  scancel --user root 2> "$folder/stop.log" || true
  kill "${pids[@]}" 2> "$folder/stop.log" || true
  wait
}
pids=()
trap stop EXIT
munged --foreground --force --key-file "$folder/munge.key" --socket "$folder/run/munge.socket" \
  --pid-file "$folder/run/munged.pid" --log-file "$folder/munged.log" --seed-file "$folder/run/munged.seed" > "$folder/munged.out" 2>&1 &
pids+=($!)
for _ in $(seq 100); do [ -S "$folder/run/munge.socket" ] && break; sleep .1; done
slurmctld -D -c > "$folder/slurmctld.out" 2>&1 &
pids+=($!)
slurmd -D -c > "$folder/slurmd.out" 2>&1 &
pids+=($!)
for _ in $(seq 300); do
  [ "$(sinfo --noheader --format %T 2> "$folder/sinfo.log")" = idle ] && break
  sleep .2
done
sinfo --noheader --format %T | grep -q idle
echo ready
cat > "$folder/input.log"
