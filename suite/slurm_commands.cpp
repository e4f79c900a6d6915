#include "suite/slurm_commands.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "roboimi/common/error.h"
#include "roboimi/common/processes.h"
#include "roboimi/common/text.h"

namespace roboimi {
namespace {

constexpr std::chrono::minutes kLimit{2};

// The fields of a line, separated by '|'. The last one is the rest of the line.
std::vector<std::string> fields_of(const std::string& line, std::size_t count) {
  std::vector<std::string> fields;
  std::istringstream stream(line);
  for (std::string field; fields.size() + 1 < count && std::getline(stream, field, '|');) {
    fields.push_back(field);
  }
  std::string rest;
  std::getline(stream, rest);
  fields.push_back(rest);
  fields.resize(count);
  return fields;
}

}  // namespace

std::string run_slurm(const std::vector<std::string>& words) {
  ProcessResult result;
  try {
    result = run_process(words, "", kLimit);
  } catch (const Error& error) {
    throw Error({.what = "Slurm is not available on this machine: " + one_line_message(error),
                 .next = "launch the suite on a machine that has " + words[0]});
  }
  if (result.status == 0) return result.output;
  throw Error({.what = words[0] + (result.timed_out ? " does not answer" : " failed"),
               .found = printable(result.errors.substr(0, result.errors.find('\n'))),
               .next = "jobs that Slurm has accepted continue"});
}

SlurmQueue squeue() {
  SlurmQueue queue;
  std::istringstream lines(
      run_slurm({"squeue", "--me", "--noheader", "--array", "--format=%i|%T|%r|%j"}));
  for (std::string line; std::getline(lines, line);) {
    const std::vector<std::string> fields = fields_of(line, 4);
    queue.tasks[fields[0]] = {.state = fields[1], .reason = fields[2]};
    queue.arrays[fields[3]] = fields[0].substr(0, fields[0].find('_'));
  }
  return queue;
}

bool EndedTask::is_clusters() const {
  static const std::set<std::string> kStates = {"NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "REVOKED"};
  return kStates.contains(state);
}

std::map<std::string, EndedTask> parse_accounting(const std::string& text) {
  static const std::set<std::string> kNotEnded = {"PENDING",  "RUNNING",  "SUSPENDED",
                                                  "REQUEUED", "RESIZING", ""};
  std::map<std::string, EndedTask> ended;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::vector<std::string> fields = fields_of(line, 5);
    // "CANCELLED by 1000"
    const std::string state = printable(fields[1].substr(0, fields[1].find(' ')));
    if (kNotEnded.contains(state)) continue;
    const std::string nodes = fields[3] == "None assigned" ? "" : ", on " + fields[3];
    ended[fields[0].substr(0, fields[0].find("_["))] = {
        .state = state,
        .text = fmt::format("Slurm: {}, exit code {}{}, at {}", state, printable(fields[2]),
                            printable(nodes), printable(fields[4]))};
  }
  return ended;
}

const EndedTask* SlurmAccounting::of(const std::string& task) {
  if (!ended_) {
    ended_.emplace();
    if (jobs_.empty()) return nullptr;
    try {
      const ProcessResult answer =
          run_process({"sacct", "--noheader", "--parsable2", "--allocations",
                       fmt::format("--jobs={}", fmt::join(jobs_, ",")),
                       "--format=JobID,State,ExitCode,NodeList,End"},
                      "", kLimit);
      if (answer.status == 0) ended_ = parse_accounting(answer.output);
    } catch (const Error&) {
      // Without sacct, only the jobs' own files are known.
    }
  }
  for (const std::string& name : {task, task.substr(0, task.find('_'))}) {
    const auto found = ended_->find(name);
    if (found != ended_->end()) return &found->second;
  }
  return nullptr;
}

}  // namespace roboimi
