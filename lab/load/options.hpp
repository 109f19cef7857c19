// What one run of the load generator does; command.cpp fills it from the command line.
#pragma once

#include <netinet/in.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace polyio::lab {

using Json = nlohmann::ordered_json;

struct Options {
  sockaddr_in server{};
  pid_t pid = 0;      // the server's: its CPU time and memory are read; 0: not
  bool spin = false;  // the generator polls instead of sleeping
  std::size_t connections = 50;
  std::size_t active = 0;  // how many of them talk; 0: all
  std::size_t depth = 1;   // messages outstanding per connection, or per sender
  std::size_t size = 64;   // bytes of a message
  std::size_t senders = 1;
  double seconds = 1;
  double warmup = 0.3;
  double patience = 20;        // seconds without an answer until we give up
  std::uint64_t requests = 0;  // stop after this many instead of after `seconds`
  double rate = 0;             // open loop: messages per second; 0: closed loop
  std::string protocol = "lines";
  bool touch = true;    // idle: every connection exchanges one message first
  bool memory = false;  // echo: reads what the server's memory grows by, too
  double every = 0;     // echo: seconds from one object printed to the next; 0: one at the end
  bool halt = false;    // echo: stops itself (SIGSTOP) before the measured span, and after it
};

Json run_echo(const Options& options);  // with `every` it prints, and this is null
Json run_fanout(const Options& options);
Json run_connect(const Options& options);
Json run_idle(const Options& options);
void run_crowd(const Options& options);  // prints its answers itself

}  // namespace polyio::lab
