// A disk that fails: SQLite's calls of the system pass through here (a VFS, which becomes the
// default), and from one of them on they fail as a test wants.
#pragma once

#include <sqlite3.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

namespace polyio::chat_test {

class FaultyDisk {
 public:
  struct Fault {
    int code = SQLITE_FULL;
    int system = ENOSPC;       // what errno says of it
    bool short_write = false;  // half of what is written gets there
    bool opens = false;        // fails openings only
  };

  // The one of this program; from now on every database is opened on it.
  static FaultyDisk& instance() {
    static FaultyDisk disk;
    return disk;
  }

  // The nth write, sync, truncation, opening, deletion or growth of shared memory fails, counted
  // from 1, and the next `more` too.
  void fail(std::int64_t nth, std::int64_t more, Fault fault) {
    fault_ = fault;
    first_ = nth;
    last_ = nth + more;
    calls_ = 0;
    armed_ = true;
  }
  // How many such calls there were since fail().
  std::int64_t mend() {
    armed_ = false;
    return calls_;
  }

 private:
  // The real file lies behind it.
  struct File : sqlite3_file {
    sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
  };

  FaultyDisk() : real_(sqlite3_vfs_find(nullptr)), vfs_(*real_) {
    vfs_.szOsFile = static_cast<int>(sizeof(File)) + real_->szOsFile;
    vfs_.zName = "faulty";
    vfs_.xOpen = open;
    vfs_.xDelete = [](sqlite3_vfs*, const char* name, int synced) {
      auto& disk = instance();
      return disk.fails() ? disk.fault_.code : disk.real_->xDelete(disk.real_, name, synced);
    };
    vfs_.xGetLastError = [](sqlite3_vfs*, int, char*) { return errno; };
    methods_.iVersion = 2;  // no mapped reads
    methods_.xClose = [](sqlite3_file* file) { return call(file, &sqlite3_io_methods::xClose); };
    methods_.xRead = [](sqlite3_file* file, void* to, int size, sqlite3_int64 at) {
      return call(file, &sqlite3_io_methods::xRead, to, size, at);
    };
    methods_.xWrite = write;
    methods_.xTruncate = [](sqlite3_file* file, sqlite3_int64 size) {
      return failing(file, &sqlite3_io_methods::xTruncate, size);
    };
    methods_.xSync = [](sqlite3_file* file, int flags) {
      return failing(file, &sqlite3_io_methods::xSync, flags);
    };
    methods_.xFileSize = [](sqlite3_file* file, sqlite3_int64* size) {
      return call(file, &sqlite3_io_methods::xFileSize, size);
    };
    methods_.xLock = [](sqlite3_file* file, int how) {
      return call(file, &sqlite3_io_methods::xLock, how);
    };
    methods_.xUnlock = [](sqlite3_file* file, int how) {
      return call(file, &sqlite3_io_methods::xUnlock, how);
    };
    methods_.xCheckReservedLock = [](sqlite3_file* file, int* is) {
      return call(file, &sqlite3_io_methods::xCheckReservedLock, is);
    };
    methods_.xFileControl = [](sqlite3_file* file, int what, void* value) {
      return call(file, &sqlite3_io_methods::xFileControl, what, value);
    };
    methods_.xSectorSize = [](sqlite3_file* file) {
      return call(file, &sqlite3_io_methods::xSectorSize);
    };
    methods_.xDeviceCharacteristics = [](sqlite3_file* file) {
      return call(file, &sqlite3_io_methods::xDeviceCharacteristics);
    };
    methods_.xShmMap = [](sqlite3_file* file, int page, int size, int grow, void volatile** to) {
      return failing(file, &sqlite3_io_methods::xShmMap, page, size, grow, to);
    };
    methods_.xShmLock = [](sqlite3_file* file, int at, int count, int flags) {
      return call(file, &sqlite3_io_methods::xShmLock, at, count, flags);
    };
    methods_.xShmBarrier = [](sqlite3_file* file) {
      static_cast<File*>(file)->real()->pMethods->xShmBarrier(static_cast<File*>(file)->real());
    };
    methods_.xShmUnmap = [](sqlite3_file* file, int remove) {
      return call(file, &sqlite3_io_methods::xShmUnmap, remove);
    };
    sqlite3_vfs_register(&vfs_, 1);
  }

  template <class Method, class... Values>
  static int call(sqlite3_file* file, Method method, Values... values) {
    sqlite3_file* const real = static_cast<File*>(file)->real();
    return (real->pMethods->*method)(real, values...);
  }
  template <class Method, class... Values>
  static int failing(sqlite3_file* file, Method method, Values... values) {
    return instance().fails() ? instance().fault_.code : call(file, method, values...);
  }
  static int write(sqlite3_file* file, const void* from, int size, sqlite3_int64 at) {
    if (!instance().fails()) return call(file, &sqlite3_io_methods::xWrite, from, size, at);
    if (instance().fault_.short_write) call(file, &sqlite3_io_methods::xWrite, from, size / 2, at);
    errno = instance().fault_.system;
    return instance().fault_.code;
  }
  static int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* got) {
    auto& disk = instance();
    file->pMethods = nullptr;
    if (disk.fails(true)) return disk.fault_.opens ? disk.fault_.code : SQLITE_CANTOPEN;
    sqlite3_file* const real = static_cast<File*>(file)->real();
    const int code = disk.real_->xOpen(disk.real_, name, real, flags, got);
    if (real->pMethods) file->pMethods = &disk.methods_;
    return code;
  }
  bool fails(bool opening = false) {
    if (!armed_ || (fault_.opens && !opening)) return false;
    const std::int64_t call = ++calls_;
    if (call < first_ || call > last_) return false;
    errno = fault_.system;
    return true;
  }

  sqlite3_vfs* real_;
  sqlite3_vfs vfs_;
  sqlite3_io_methods methods_{};
  Fault fault_;
  std::atomic<bool> armed_{false};
  std::atomic<std::int64_t> calls_{0};
  std::int64_t first_ = 0, last_ = 0;
};

}  // namespace polyio::chat_test
