/**
 * Runs inside the new root, with the kernel's metapackage as its argument. It unpacks the kernel
 * package without installing it, because its maintainer scripts want an initramfs and a boot
 * loader.
 */
export const customizeScript = `set -eu
cd /tmp
kernel_package=$(apt-cache depends "$1" | sed -n 's/^ *Depends: //p' | head -n 1)
apt-get --option APT::Machine::User=root download "$kernel_package"
dpkg-deb --extract "$kernel_package"_*.deb kernel
mkdir -p /usr/lib/modules
mv kernel/boot/vmlinuz-* /boot/
mv kernel/lib/modules/* /usr/lib/modules/
depmod "$(ls /usr/lib/modules)"

: > /etc/machine-id
echo pyro > /etc/hostname
printf '127.0.0.1 localhost pyro\\n::1 localhost ip6-localhost ip6-loopback\\n' > /etc/hosts
mkdir -p /workspace
# Some packages, such as Java's, link their manual there, and fail without the folder.
mkdir -p /usr/share/man/man1
rm -f /etc/apt/apt.conf.d/99mmdebstrap /etc/ssh/ssh_host_*
`;

/**
 * Prints the packages of the root in the first argument and makes its file system image on
 * descriptor 3. The other arguments are mke2fs's options. A path would not do, because root in a
 * user namespace may not enter pyro's folders.
 */
export const imageScript = `set -eu
root=$1
shift
rm -f "$root"/boot/vmlinuz-*
find "$root/dev" "$root/run" -mindepth 1 -delete
dpkg-query --admindir="$root/var/lib/dpkg" --show --showformat='\${binary:Package} \${Version}\\n'
content_kib=$(find "$root" -printf '%s\\n' | awk '{ kib += 4 * int(($1 + 4095) / 4096) } END { print kib }')
mke2fs -q -F -t ext4 -d "$root" "$@" /proc/self/fd/3 "$((content_kib * 108 / 100 + 65536))k"
`;
