#!/usr/bin/env bash
# A SLURM cluster of one node, this machine, with two GPUs that are not there.
#
#   tests/slurm_cluster.sh start FOLDER    as root; all that it writes lies in FOLDER
#   . FOLDER/environment                   squeue, sbatch, snakemake then talk to this cluster
#   tests/slurm_cluster.sh stop FOLDER
#
# It needs Debian's slurm-wlm and munge, but neither systemd nor cgroups nor accounting. A SLURM
# that this machine already belongs to is not touched: keys, sockets and ports are the cluster's own.
set -euo pipefail
verb=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)

free_ports() {
    python3 -c 'from socket import socket; a, b = socket(), socket(); a.bind(("", 0)); b.bind(("", 0))
print(a.getsockname()[1], b.getsockname()[1])'
}

write_settings() {
    local host ports
    host=$(hostname -s)
    read -ra ports <<<"$(free_ports)"
    dd if=/dev/urandom of="$folder/munge.key" bs=128 count=1 status=none
    chmod 400 "$folder/munge.key"
    # Snakemake's job step drops SLURM_CONF from what `srun` sees.
    mkdir -p "$folder/bin" "$folder/state" "$folder/spool"
    printf '#!/bin/sh\nexport SLURM_CONF=%s\nexec %s "$@"\n' \
        "$folder/slurm.conf" "$(command -v srun)" >"$folder/bin/srun"
    chmod +x "$folder/bin/srun"
    cat >"$folder/environment" <<END
export SLURM_CONF=$folder/slurm.conf
export PATH=$folder/bin:\$PATH
END
    cat >"$folder/gres.conf" <<END
Name=gpu File=/dev/null
Name=gpu File=/dev/zero
END
    # config_overrides: the node claims more than it has, so that what the profile asks for the
    # paper's size fits. MinJobAge: squeue lists all jobs that ever ran.
    cat >"$folder/slurm.conf" <<END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=${ports[0]}
SlurmdPort=${ports[1]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=batch_sched_delay=0,sched_min_interval=100000
GresTypes=gpu
KillWait=5
MinJobAge=86400
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=4 RealMemory=1000000 Gres=gpu:2
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
END
}

start() {
    write_settings
    # --force: munged distrusts folders like /tmp that everyone may write to.
    munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" \
        --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" \
        --seed-file="$folder/munge.seed" --num-threads=2 >>"$folder/output" 2>&1
    . "$folder/environment"
    # Whoever reads this script's output must not wait for the daemons to close it.
    slurmctld -f "$SLURM_CONF" >>"$folder/output" 2>&1
    slurmd -f "$SLURM_CONF" >>"$folder/output" 2>&1
    for _ in $(seq 60); do
        if [ "$(sinfo --noheader --format=%T 2>/dev/null)" = idle ]; then
            return
        fi
        sleep 0.5
    done
    tail -n 20 "$folder"/*.log "$folder/output" >&2
    echo "The SLURM node was not idle after 30 seconds; its logs are above." >&2
    exit 1
}

stop() {
    for daemon in slurmd slurmctld munged; do
        if [ -f "$folder/$daemon.pid" ]; then
            kill "$(cat "$folder/$daemon.pid")" 2>/dev/null || true
        fi
    done
}

case $verb in
start) start ;;
stop) stop ;;
*)
    echo "tests/slurm_cluster.sh: found '$verb'; write start FOLDER or stop FOLDER." >&2
    exit 2
    ;;
esac
