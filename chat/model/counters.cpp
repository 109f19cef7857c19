#include "counters.hpp"

#include <fmt/format.h>

namespace polyio::chat {

std::string Counters::text(std::size_t people, std::size_t rooms) const {
  std::string all;
  const auto head = [&all](const char* name, const char* kind, const char* help) {
    all +=
        fmt::format("# HELP polyio_chat_{0} {2}\n# TYPE polyio_chat_{0} {1}\n", name, kind, help);
  };
  const auto value = [&all](const char* name, const char* labels, std::uint64_t number) {
    all += fmt::format("polyio_chat_{}{} {}\n", name, labels, number);
  };
  head("clients", "gauge", "Connections that are in the chat.");
  value("clients", R"({protocol="line"})", lines);
  value("clients", R"({protocol="page"})", pages);
  head("clients_total", "counter", "Connections that have come to the chat.");
  value("clients_total", R"({protocol="line"})", lines_seen);
  value("clients_total", R"({protocol="page"})", pages_seen);
  head("people", "gauge", "Accounts and guests that are here.");
  value("people", "", people);
  head("rooms", "gauge", "Rooms and conversations that there are.");
  value("rooms", "", rooms);
  head("entries_total", "counter", "Messages and changes that were kept.");
  value("entries_total", "", entries);
  head("entries_refused_total", "counter", "Messages and changes that could not be kept.");
  value("entries_refused_total", "", not_kept);
  head("slowed_total", "counter", "Requests after which a client was slowed.");
  value("slowed_total", "", slowed);
  head("cut_off_total", "counter", "Clients that were cut off because they did not slow down.");
  value("cut_off_total", "", cut_off);
  return all;
}

}  // namespace polyio::chat
