// The wrappers behind the lines of calls.def.
#include <aio.h>
#include <dirent.h>
#include <fcntl.h>
#include <liburing.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <system_error>

#include "operations.hpp"
#include "table.hpp"

namespace polyio::torture {
namespace {

int cannot() noexcept {
  cannot_be();
  return 0;
}

bool is_file_called(int fd, const char* name) noexcept {
  char link[64], target[64];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t size = ::readlink(link, target, sizeof target - 1);
  if (size < 0) return false;
  target[size] = '\0';
  return std::strncmp(target, name, std::strlen(name)) == 0;
}

// How a failure is reported: the word in the table.
template <class R>
R report_errno(int error) noexcept {
  errno = error;
  return static_cast<R>(-1);
}
template <class R>
R report_null(int error) noexcept {
  errno = error;
  return nullptr;
}
template <class R>
R report_returned(int error) noexcept {
  errno = ENOMEM;  // for EAI_SYSTEM
  return error;
}
template <class R>
R report_negated(int error) noexcept {
  return -error;
}

aiocb* one_byte(aiocb* request) noexcept {
  if (request->aio_nbytes > 1) request->aio_nbytes = 1;
  return request;
}
}  // namespace
}  // namespace polyio::torture

using namespace polyio::torture;

// NOLINTBEGIN(bugprone-reserved-identifier): the linker's names.
#define TELL_errno report_errno
#define TELL_null report_null
#define TELL_returned report_returned
#define TELL_negated report_negated
extern "C" {
#define CALL(result, name, parameters, arguments, how, ...) \
  result __real_##name parameters;                          \
  result __wrap_##name parameters {                         \
    if (const int error = next(line_##name)) {              \
      return TELL_##how<result>(error);                     \
    }                                                       \
    return __real_##name arguments;                         \
  }
#define SHORT(result, name, parameters, arguments, less, how, ...) \
  result __real_##name parameters;                                 \
  result __wrap_##name parameters {                                \
    const int error = next(line_##name);                           \
    if (error == made_short) return __real_##name less;            \
    if (error) return TELL_##how<result>(error);                   \
    return __real_##name arguments;                                \
  }
#define OWN(...)
#define OP(...)
#define SAFE(...)
#include "calls.def"
#undef CALL
#undef SHORT
#undef OWN
#undef OP
#undef SAFE

int __real_connect(int fd, const sockaddr* address, socklen_t size);
// After EINTR, EINPROGRESS and EALREADY the connection is being made (connect(2)).
int __wrap_connect(int fd, const sockaddr* address, socklen_t size) {
  const int error = next(line_connect);
  if (!error) return __real_connect(fd, address, size);
  if (error == EINTR || error == EINPROGRESS || error == EALREADY) {
    const int result = __real_connect(fd, address, size);
    if (result != 0 && errno != EINPROGRESS) return result;
  }
  return report_errno<int>(error);
}

ssize_t __real_sendmsg(int fd, const msghdr* message, int flags);
ssize_t __wrap_sendmsg(int fd, const msghdr* message, int flags) {
  int error = next(line_sendmsg);
  // A datagram goes whole or not at all, and so does a descriptor.
  if (error == made_short && (message->msg_name || message->msg_control)) error = cannot();
  if (error == made_short && message->msg_iovlen > 0) {
    return __real_send(fd, message->msg_iov[0].iov_base, 1, flags);
  }
  if (error > 0) return report_errno<ssize_t>(error);
  return __real_sendmsg(fd, message, flags);
}

int __real_waitid(idtype_t type, id_t id, siginfo_t* info, int options);
// What a wait fails with; for ECHILD it reaps.
static int waitid_error(idtype_t type, id_t id, int options) {
  const int error = next(line_waitid);
  if (error != ECHILD) return error;
  siginfo_t unseen{};
  (void)__real_waitid(type, id, &unseen, options);
  // A call that only looks, or that finds a living child, has not lost it.
  if ((options & WNOHANG) && unseen.si_pid == 0) return cannot();
  return options & WNOWAIT ? cannot() : error;
}
int __wrap_waitid(idtype_t type, id_t id, siginfo_t* info, int options) {
  const int error = waitid_error(type, id, options);
  return error ? report_errno<int>(error) : __real_waitid(type, id, info, options);
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...) {
  long a[6];
  va_list list;
  va_start(list, number);
  for (long& one : a) one = va_arg(list, long);
  va_end(list);
  const bool receives = number == SYS_recvfrom, sends = number == SYS_sendto;
  // A futex is how libstdc++'s semaphores wait: its errnos are their answers. A signal to a child
  // that is not reaped can't fail.
  const bool safe = number == SYS_futex || number == SYS_futex_waitv ||
                    number == SYS_pidfd_send_signal || number == SYS_tgkill;
  if (number == SYS_waitid) {
    const int error =
        waitid_error(static_cast<idtype_t>(a[0]), static_cast<id_t>(a[1]), static_cast<int>(a[3]));
    return error ? report_errno<long>(error) : __real_syscall(number, a[0], a[1], a[2], a[3], a[4]);
  }
  if (watching() && !receives && !sends && number != SYS_pidfd_open && !safe) {
    std::fprintf(stderr, "torture: syscall(%ld) is not on the table (tests/torture/calls.cpp)\n",
                 number);
    std::abort();
  }
  const int error = receives                   ? next(line_recv)
                    : sends                    ? next(line_send)
                    : number == SYS_pidfd_open ? next(line_pidfd_open)
                                               : 0;
  if (error > 0) return report_errno<long>(error);
  if (error == made_short) a[2] = a[2] ? 1 : 0;
  return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

// The other end sees it in any case: only then is ENOTCONN no lie.
int __real_shutdown(int fd, int how);
int __wrap_shutdown(int fd, int how) {
  const int error = next(line_shutdown);
  if (!error) return __real_shutdown(fd, how);
  if (error == ENOTCONN) (void)__real_shutdown(fd, SHUT_RDWR);
  return report_errno<int>(error);
}

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...) {
  va_list list;
  va_start(list, command);
  void* const argument = va_arg(list, void*);
  va_end(list);
  if (const int error = next(line_fcntl)) return report_errno<int>(error);
  return __real_fcntl(fd, command, argument);
}

int __real_open(const char* path, int flags, ...);
int __wrap_open(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = va_arg(list, mode_t);
  va_end(list);
  if (const int error = next(line_open)) return report_errno<int>(error);
  return __real_open(path, flags, mode);
}

void __real_aio_init(const aioinit* settings);
void __wrap_aio_init(const aioinit* settings) {
  aioinit mine = *settings;
  if (mine.aio_idle_time > 0) mine.aio_idle_time = 0;
  __real_aio_init(&mine);
}

pid_t __real_waitpid(pid_t child, int* status, int options);
pid_t __wrap_waitpid(pid_t child, int* status, int options) {
  const int error = next(line_waitpid);
  if (error == ECHILD) (void)__real_waitpid(child, status, options);
  return error ? report_errno<pid_t>(error) : __real_waitpid(child, status, options);
}

int __real_aio_error(const aiocb* request);
int __wrap_aio_error(const aiocb* request) {
  const int result = __real_aio_error(request);
  int error = next(line_aio_error);
  if (error && result == EINPROGRESS) error = cannot();
  return error ? error : result;
}

// An eventfd knows only EAGAIN (when there is nothing) and EINTR (eventfd(2)).
ssize_t __real_read(int fd, void* data, size_t size);
ssize_t __wrap_read(int fd, void* data, size_t size) {
  int error = next(line_read);
  if (error && error != EINTR && is_file_called(fd, "anon_inode:[eventfd]")) error = cannot();
  if (error == made_short) size = size ? 1 : 0;
  if (error > 0) return report_errno<ssize_t>(error);
  return __real_read(fd, data, size);
}

// EAGAIN from an eventfd or a pipe means that it is full: its reader will wake anyway.
ssize_t __real_write(int fd, const void* data, size_t size);
ssize_t __wrap_write(int fd, const void* data, size_t size) {
  int error = next(line_write);
  if (error && error != EINTR &&
      (is_file_called(fd, "anon_inode:[eventfd]") || (is_file_called(fd, "pipe:") && size == 1))) {
    error = cannot();
  }
  if (error == made_short) size = size ? 1 : 0;
  if (error > 0) return report_errno<ssize_t>(error);
  return __real_write(fd, data, size);
}

int __real_close(int fd);
int __wrap_close(int fd) {
  const int error = next(line_close);
  const int result = __real_close(fd);
  return error ? report_errno<int>(error) : result;
}

void* __real_mmap(void* at, size_t size, int protection, int flags, int fd, off_t offset);
void* __wrap_mmap(void* at, size_t size, int protection, int flags, int fd, off_t offset) {
  if (const int error = next(line_mmap)) {
    errno = error;
    return MAP_FAILED;
  }
  return __real_mmap(at, size, protection, flags, fd, offset);
}

void* __real_shmat(int number, const void* at, int flags);
void* __wrap_shmat(int number, const void* at, int flags) {
  if (const int error = next(line_shmat)) {
    errno = error;
    return MAP_FAILED;  // (void*)-1, as shmat's own
  }
  return __real_shmat(number, at, flags);
}

void* __real__Znwm(size_t size);
void* __real__Znam(size_t size);
void* __real__ZnwmSt11align_val_t(size_t size, std::align_val_t alignment);
void* __wrap__Znwm(size_t size) {
  if (next(line__Znwm)) throw std::bad_alloc();
  return __real__Znwm(size);
}
void* __wrap__Znam(size_t size) {
  if (next(line__Znwm)) throw std::bad_alloc();
  return __real__Znam(size);
}
void* __wrap__ZnwmSt11align_val_t(size_t size, std::align_val_t alignment) {
  if (next(line__Znwm)) throw std::bad_alloc();
  return __real__ZnwmSt11align_val_t(size, alignment);
}

void* __real__ZnamRKSt9nothrow_t(size_t size, const std::nothrow_t& tag) noexcept;
void* __real__ZnwmRKSt9nothrow_t(size_t size, const std::nothrow_t& tag) noexcept;
void* __wrap__ZnamRKSt9nothrow_t(size_t size, const std::nothrow_t& tag) noexcept {
  return next(line__Znwm) ? nullptr : __real__ZnamRKSt9nothrow_t(size, tag);
}
void* __wrap__ZnwmRKSt9nothrow_t(size_t size, const std::nothrow_t& tag) noexcept {
  return next(line__Znwm) ? nullptr : __real__ZnwmRKSt9nothrow_t(size, tag);
}

// std::thread's constructor.
#define PASTE(a, b) a##b
#define JOIN(a, b) PASTE(a, b)
#define START_THREAD \
  _ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE
void JOIN(__real_, START_THREAD)(void* self, void* run, void (*depend)());
void JOIN(__wrap_, START_THREAD)(void* self, void* run, void (*depend)()) {
  if (const int error = next(JOIN(line_, START_THREAD))) {
    throw std::system_error(error, std::generic_category());
  }
  JOIN(__real_, START_THREAD)(self, run, depend);
}

int __real_io_uring_queue_init_params(unsigned entries, io_uring* ring, io_uring_params* p);
int __wrap_io_uring_queue_init_params(unsigned entries, io_uring* ring, io_uring_params* p) {
  const int error = next(line_io_uring_queue_init_params);
  if (error > 0) return -error;
  if (error == made_short) {
    entries = 2;
    if (p->flags & IORING_SETUP_CQSIZE) p->cq_entries = 4;
  }
  forget_walked(*ring);
  return __real_io_uring_queue_init_params(entries, ring, p);
}

int __real_io_uring_submit(io_uring* ring);
int __wrap_io_uring_submit(io_uring* ring) {
  if (const int error = next(line_io_uring_submit)) return -error;
  spoil_operations(*ring);
  return __real_io_uring_submit(ring);
}
int __real_io_uring_submit_and_wait(io_uring* ring, unsigned count);
int __wrap_io_uring_submit_and_wait(io_uring* ring, unsigned count) {
  if (const int error = next(line_io_uring_submit_and_wait)) return -error;
  spoil_operations(*ring);
  return __real_io_uring_submit_and_wait(ring, count);
}
int __real_io_uring_submit_and_get_events(io_uring* ring);
int __wrap_io_uring_submit_and_get_events(io_uring* ring) {
  if (const int error = next(line_io_uring_submit_and_get_events)) return -error;
  spoil_operations(*ring);
  return __real_io_uring_submit_and_get_events(ring);
}
int __real_io_uring_submit_and_wait_timeout(io_uring* ring, io_uring_cqe** cqe, unsigned count,
                                            __kernel_timespec* time, sigset_t* mask);
int __wrap_io_uring_submit_and_wait_timeout(io_uring* ring, io_uring_cqe** cqe, unsigned count,
                                            __kernel_timespec* time, sigset_t* mask) {
  if (const int error = next(line_io_uring_submit_and_wait_timeout)) return -error;
  spoil_operations(*ring);
  return __real_io_uring_submit_and_wait_timeout(ring, cqe, count, time, mask);
}
}
// NOLINTEND(bugprone-reserved-identifier)
