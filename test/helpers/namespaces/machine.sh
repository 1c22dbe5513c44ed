#!/bin/sh
# Makes a machine without a VM: the guest agent as the first process of its own namespaces, on a
# root of the host's programs. It is started by driver.ts with the host's end of the agent's socket
# as descriptor 3.
#
# machine.sh start AGENT DISK GROUP   (DISK: workspace disk, GROUP: new cgroup of the commands)
set -eu

# The host's namespaces: holds the loop device for as long as the machine lives, and tells its end
# as a VM's process does.
start() {
  agent=$1 disk=$2 group=$3
  # Beside the disk, so that it goes with the files of the test.
  root=$disk.root
  mkdir "$root"
  mkdir "$group"
  loop=$(losetup --find --show "$disk")
  # The kernel frees the device once no process has it open, even after a SIGKILL.
  exec 4<"$loop"
  losetup --detach "$loop"
  status=0
  unshare --fork --kill-child --pid --mount --uts --ipc --net \
    "$0" enter "$agent" "$loop" "$group" "$root" 4<&- || status=$?
  rmdir "$root" "$group"/pyro/exec-* "$group/pyro" "$group" 2>/dev/null || true
  # A power-off ends the first process of a PID namespace with SIGINT.
  [ "$status" -ne 130 ] || status=0
  exit "$status"
}

# The new namespaces: makes the root and becomes the agent.
enter() {
  agent=$1 loop=$2 group=$3 root=$4
  mount -t tmpfs -o mode=0755 root "$root"
  cd "$root"
  mkdir -p usr etc proc sys/fs/cgroup dev run tmp root home var/tmp workspace old
  chmod 1777 tmp var/tmp
  mount --bind /usr usr
  mount -o remount,bind,ro usr
  for name in bin sbin lib lib32 lib64 libx32; do
    [ ! -L "/$name" ] || cp -P "/$name" .
  done
  for name in alternatives group hosts ld.so.cache nsswitch.conf os-release passwd; do
    [ ! -e "/etc/$name" ] || cp -a "/etc/$name" etc
  done
  mount -t proc proc proc
  mount --bind proc/sys proc/sys
  mount -o remount,bind,ro proc/sys
  mount --bind "$group" sys/fs/cgroup
  mount -t tmpfs -o mode=0755 dev dev
  mkdir dev/pts dev/shm
  mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts dev/pts
  mount -t tmpfs -o mode=1777 shm dev/shm
  for name in null zero full random urandom tty; do
    touch "dev/$name"
    mount --bind "/dev/$name" "dev/$name"
  done
  ln -s pts/ptmx dev/ptmx
  ln -s /proc/self/fd dev/fd
  # As a VM's guest names its second disk.
  touch dev/vdb init
  mount --bind "$loop" dev/vdb
  mount --bind "$agent" init
  ip link set lo up
  pivot_root . old
  cd /
  umount -l old
  rmdir old
  umask 022
  exec /init --serve-fd 3
}

"$@"
