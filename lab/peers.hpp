// Peers: the servers that polyio is measured beside, other libraries' and loops written by hand.
// They are in bench/servers, one thread each, and do the same: they answer in upper case. A row of
// the table says what one is made of; what is missing here is said, with what to install.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plan.hpp"

namespace polyio::lab {

struct Peer {
  std::string_view name, architecture;  // in results.json, as a model's
  std::string_view file;                // in the folder
  std::string_view package;             // of Debian, which it needs
  std::string_view interpreter = {};    // of a script
  std::string_view argument = {};       // behind its port; of python3: the module, too
  std::string_view like = "epoll";      // the model whose connections it is measured with
  std::size_t most = 1'000'000;         // connections
};
std::span<const Peer> all_peers();

struct FoundPeer {
  const Peer* peer;
  std::vector<std::string> program;  // the command line
  std::string missing;               // why there is none
};
// Those of `only`, or all. Throws std::invalid_argument for a name that there is not.
std::vector<FoundPeer> find_peers(const std::string& folder, const std::vector<std::string>& only);
// Beside the program, where the build puts them.
std::string usual_folder_of_peers();

// polyio's rows, and then each peer with the same loads. Models and architectures of `dials` are
// set by it. Throws as make_plan().
std::vector<Point> plan_with_peers(Dials dials, std::span<const ModelInfo> models,
                                   const Limits& limits, std::span<const FoundPeer> peers);

}  // namespace polyio::lab
