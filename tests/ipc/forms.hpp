// The forms in which every primitive is tested by the same cases: threads of one process, threads
// on the primitives that are made for processes, and processes. A Form runs workers side by side
// and has a place for what they share; what a worker expects in vain is a failure of the test.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <new>
#include <polyio/ipc/mutex.hpp>
#include <thread>
#include <type_traits>
#include <vector>

#include "segments.hpp"

namespace polyio::ipc::test {

template <class T>
class OnHeap {
 public:
  template <class... Arguments>
  explicit OnHeap(Arguments... arguments) : value_(std::make_unique<T>(arguments...)) {}
  T* operator->() { return value_.get(); }
  T& operator*() { return *value_; }

 private:
  std::unique_ptr<T> value_;
};

template <class T>
class InSharedMemory {
 public:
  template <class... Arguments>
  explicit InSharedMemory(Arguments... arguments)
      : memory_(sizeof(T)), value_(new(memory_.data()) T(arguments...)) {}
  T* operator->() { return value_; }
  T& operator*() { return *value_; }

 private:
  os::SharedPages memory_;
  T* value_;
};

// While it lives, the calling thread holds as many mutexes in shared memory as it may.
class AtItsLimit {
 public:
  AtItsLimit() {
    for (Mutex& mutex : *mutexes_) EXPECT_TRUE(mutex.lock());
  }
  ~AtItsLimit() {
    for (Mutex& mutex : *mutexes_) EXPECT_TRUE(mutex.unlock());
  }

 private:
  InSharedMemory<std::array<Mutex, SharedKernel::max_held>> mutexes_;
};

// Runs a worker's `work`, which may return a bool: whether all was well.
template <class Work>
void do_work(Work& work) {
  if constexpr (std::is_void_v<std::invoke_result_t<Work&>>) {
    work();
  } else {
    EXPECT_TRUE(work()) << "of a worker";
  }
}

class Threads {
 public:
  ~Threads() { join(); }
  template <class Work>
  void start(Work work) {
    threads_.emplace_back([does = std::move(work)]() mutable { do_work(does); });
  }
  void join() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  std::vector<std::thread> threads_;
};

class Processes {
 public:
  ~Processes() { join(); }
  template <class Work>
  void start(Work work) {
    children_.push_back(fork_to([&work] {
      do_work(work);
      return testing::Test::HasFailure() ? 1 : 0;
    }));
  }
  // Kills the one started as the `index`-th and waits for its end.
  void kill(std::size_t index) {
    children_[index].signal(SIGKILL);
    EXPECT_EQ(children_[index].wait().signal, SIGKILL);
    children_[index] = {};
  }
  void join() {
    for (os::ChildProcess& child : children_) {
      if (child.pid() == 0) continue;
      const os::ExitStatus status = child.wait();
      EXPECT_TRUE(status.code == 0 && status.signal == 0) << "a worker " << status.text();
    }
    children_.clear();
  }

 private:
  std::vector<os::ChildProcess> children_;
};

struct ThreadForm {
  using Kernel = ThreadKernel;
  using Workers = Threads;
  template <class T>
  using Place = OnHeap<T>;
};
struct SharedThreadForm {
  using Kernel = SharedKernel;
  using Workers = Threads;
  template <class T>
  using Place = OnHeap<T>;
};
struct ProcessForm {
  using Kernel = SharedKernel;
  using Workers = Processes;
  template <class T>
  using Place = InSharedMemory<T>;
};

using Forms = testing::Types<ThreadForm, SharedThreadForm, ProcessForm>;
struct FormName {
  template <class Form>
  static std::string GetName(int) {
    if (std::is_same_v<Form, ThreadForm>) return "Threads";
    return std::is_same_v<Form, ProcessForm> ? "Processes" : "ThreadsOnShared";
  }
};

}  // namespace polyio::ipc::test
