#!/bin/sh
# Makes a machine without a VM: the guest agent as the first process of its own namespaces, on a
# root of the host's programs. It is started by driver.ts with the host's end of the agent's socket
# as descriptor 3.
#
# machine.sh start AGENT GROUP DISK…   (GROUP: new cgroup of the commands; DISK: an image, the
# workspace's first)
set -eu

# The host's namespaces: holds the loop devices for as long as the machine lives, and tells its end
# as a VM's process does.
start() {
  agent=$1 group=$2
  shift 2
  # Beside the disk, so that it goes with the files of the test.
  root=$1.root
  mkdir "$root"
  mkdir "$group"
  loops=
  fd=4
  for disk; do
    loop=$(losetup --find --show "$disk")
    # The kernel frees the device once no process has it open, even after a SIGKILL.
    eval "exec $fd<\"\$loop\""
    losetup --detach "$loop"
    loops="$loops $loop"
    fd=$((fd + 1))
  done
  status=0
  # shellcheck disable=SC2086 # names of loop devices
  unshare --fork --kill-child --pid --mount --uts --ipc --net \
    "$0" enter "$agent" "$group" "$root" $loops 4<&- 5<&- 6<&- || status=$?
  rmdir "$root" "$group"/pyro/exec-* "$group/pyro" "$group" 2>/dev/null || true
  # A power-off ends the first process of a PID namespace with SIGINT.
  [ "$status" -ne 130 ] || status=0
  exit "$status"
}

# The new namespaces: makes the root and becomes the agent.
enter() {
  agent=$1 group=$2 root=$3
  shift 3
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
  # As a VM's guest names the disks after its first one.
  for name in vdb vdc vdd; do
    [ "$#" -gt 0 ] || break
    touch "dev/$name"
    mount --bind "$1" "dev/$name"
    shift
  done
  touch init
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
