#include "suite/ssh_connection.h"

#include "roboimi/common/error.h"
#include "roboimi/common/paths.h"
#include "roboimi/common/text.h"

namespace roboimi {
namespace {

constexpr int kSshFailed = 255;
// The time limit of a remote command. The longest one waits 30 s for a supervisor.
constexpr std::chrono::minutes kLimit{2};

// Quotes a word of -e for rsync, which doubles a quote inside quotes.
std::string rsync_quote(const std::string& word) {
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("''") : std::string(1, c);
  return quoted + "'";
}

// The last non-empty line.
std::string last_line(const std::string& text) {
  std::size_t end = text.find_last_not_of(" \r\n");
  if (end == std::string::npos) return "";
  const std::size_t begin = text.find_last_of("\r\n", end) + 1;
  return printable(text.substr(begin, end + 1 - begin), 300);
}

// A path as a word of ssh's configuration, where % and quotes have a meaning.
std::string option_path(const std::string& path) {
  std::string escaped;
  for (const char c : path) {
    if (c == '%') escaped += '%';
    if (c == '"' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return '"' + escaped + '"';
}

bool contains(const ProcessResult& result, const char* words) {
  return result.errors.find(words) != std::string::npos;
}

}  // namespace

std::vector<std::string> SshConnection::ssh_words() const {
  std::vector<std::string> words = {"ssh",
                                    "-oBatchMode=yes",
                                    "-oConnectTimeout=10",
                                    "-oServerAliveInterval=5",
                                    "-oServerAliveCountMax=3",
                                    "-oStrictHostKeyChecking=yes"};
  if (target_.port > 0) words.insert(words.end(), {"-p", std::to_string(target_.port)});
  if (!target_.identity.empty()) {
    words.insert(words.end(),
                 {"-oIdentitiesOnly=yes", "-oIdentityFile=" + option_path(target_.identity)});
  }
  if (!target_.known_hosts.empty()) {
    words.push_back("-oUserKnownHostsFile=" + option_path(target_.known_hosts));
  }
  return words;
}

std::vector<std::string> SshConnection::rsync_words() const {
  std::string shell;
  for (const std::string& word : ssh_words()) shell += rsync_quote(word) + " ";
  return {"rsync",   "--archive",    "--checksum", "--copy-links", "--secluded-args",
          "--from0", "--timeout=60", "-e",         shell};
}

void SshConnection::fail(const std::string& what, const ProcessResult& result) const {
  Error::Parts parts{.what = what, .where = target_.host, .found = last_line(result.errors)};
  if (contains(result, "IDENTIFICATION HAS CHANGED") ||
      contains(result, "Host key verification failed")) {
    parts.what = "its host key differs from the known one";
    parts.found = "";
    parts.next = "check that it is the right machine, then add its key to known_hosts";
  } else if (contains(result, "Permission denied (")) {
    parts.what = "it rejected the login";
    parts.next = "name a key with targets." + target_.name + ".identity, or add it to ssh-agent";
  } else if (contains(result, "No space left on device") ||
             contains(result, "Disk quota exceeded")) {
    parts.what = "its disk is full";
    parts.next = "free some space there and launch again; files already sent are kept";
  } else if (result.timed_out) {
    parts.what = "it does not answer";
    parts.next = "its runs continue; try again later";
  } else if (result.status == kSshFailed || contains(result, "ssh: connect to host")) {
    parts.what = "unreachable";
    parts.next = "its runs continue; try again later";
  }
  throw Error(std::move(parts));
}

std::string SshConnection::run(const std::vector<std::string>& words) const {
  std::string command;
  for (const std::string& word : words) command += (command.empty() ? "" : " ") + shell_quote(word);
  std::vector<std::string> all = ssh_words();
  all.insert(all.end(), {target_.host, command});
  const ProcessResult result = run_process(all, "", kLimit);
  if (result.status != 0) fail("a remote command failed: " + printable(words[0]), result);
  return result.output;
}

std::string SshConnection::run_script(const std::string& script) const {
  return run({"sh", "-euc", script});
}

void SshConnection::send(const std::filesystem::path& base, const std::vector<std::string>& files,
                         const std::string& folder, const std::vector<std::string>& alike) const {
  std::vector<std::string> words = rsync_words();
  for (const std::string& other : alike) words.push_back("--link-dest=" + other);
  std::string list;
  for (const std::string& file : files) list += file + '\0';
  // The "./" prevents rsync from reading part of the path as a host name.
  words.insert(words.end(),
               {"--files-from=-", "--", base.string() + "/./", target_.host + ":" + folder + "/"});
  const ProcessResult result = run_process(words, list);
  if (result.status != 0) fail("sending files failed", result);
}

void SshConnection::bring(const std::string& folder, const std::vector<std::string>& excluded,
                          const std::filesystem::path& base) const {
  std::vector<std::string> words = rsync_words();
  for (const std::string& pattern : excluded) words.push_back("--exclude=" + pattern);
  words.insert(words.end(), {"--", target_.host + ":" + folder + "/", base.string() + "/"});
  const ProcessResult result = run_process(words);
  if (result.status != 0) fail("copying files failed", result);
}

}  // namespace roboimi
