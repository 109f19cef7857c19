// Command: a shell command as a process group of its own, which is stopped and continued as a whole
// (SIGSTOP, SIGCONT), on one processor, for those who schedule real processes. The rule: no group
// outlives its Guardian's maker, and none stays stopped: a process of its own watches the maker and
// kills the groups that are left when that ends, by kill -9 too. Linux. For a process that has one
// thread (os::fork_plain) and no other children: while there is a Guardian, it adopts what its
// commands have orphaned, and kills that at the end.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <polyio/linux/process.hpp>
#include <polyio/linux/process_id.hpp>
#include <string>
#include <vector>

namespace polyio::process {

class Guardian {
 public:
  // For at most `most` groups at a time. Throws std::system_error: no memory, descriptor or
  // process.
  explicit Guardian(std::size_t most);
  // Kills what commands that have ended left running.
  ~Guardian();
  Guardian(const Guardian&) = delete;
  Guardian& operator=(const Guardian&) = delete;
  // Readable once it has ended, which only a kill does: no group is guarded then.
  int fd() const noexcept { return process_.fd(); }

 private:
  friend class Command;
  std::atomic<pid_t>* groups() const noexcept;  // 0: a free place
  // Reaps those that ended; with `kill`, ends all. Whether there was one to reap.
  bool end_orphans(bool kill) noexcept;

  std::size_t size_;
  os::SharedPages pages_;
  os::UniqueFd lifeline_;  // closed by the end of this process, however that comes
  os::ChildProcess process_;
};

class Command {
 public:
  Command() = default;
  // Starts `sh -c line`, stopped before its first step: go_on() lets it begin. Its standard input
  // is empty, what it prints goes to `output`. It stays on the processor `cpu`. Errors: those of
  // os::fork_plain; ENOSPC, the guardian has as many groups as it was made for; what
  // sched_setaffinity(2) gave. The guardian must outlive it.
  static Result<Command> start(Guardian& guardian, const std::string& line, int cpu, int output);
  // Kills the group and reaps.
  ~Command() { kill_and_reap(); }
  Command(Command&& other) noexcept { *this = std::move(other); }
  Command& operator=(Command&& other) noexcept;

  pid_t pid() const noexcept { return process_.pid(); }
  // Readable once its first process has ended.
  int fd() const noexcept { return process_.fd(); }
  // kill(2) to the group, and to those that descendants have made since, as timeout(1) does. One
  // that leaves both family and groups, as a daemon does, is reached by the guardian's end only.
  void signal(int number);
  void stop();
  void go_on();

  // What its processes do: the first one and its descendants, but not those whose parent has ended
  // before them. Some 20 us for each.
  struct Usage {
    Nanoseconds cpu{};      // by now. Of children that have ended: in steps of 10 ms
    bool runnable = false;  // some thread computes, or would with a processor
  };
  Usage usage();
  // After fd() was readable: kills what is left of the group, and reaps.
  os::ExitStatus finish();

 private:
  void kill_and_reap() noexcept;

  Guardian* guardian_ = nullptr;
  std::size_t slot_ = 0;
  os::ChildProcess process_;
  Nanoseconds seen_{};
  std::vector<os::ProcessId> groups_;  // of descendants, as timeout(1) makes one; by usage()
};

// A pipe for what commands print; reading from it never waits.
struct OutputPipe {
  os::UniqueFd read, write;
};
Result<OutputPipe> make_output_pipe();

// The processors that this process may use, in order (sched_getaffinity(2)).
std::vector<int> allowed_cpus();
// From now on it uses these only, and so do its children.
Result<> stay_on(const std::vector<int>& cpus);

}  // namespace polyio::process
