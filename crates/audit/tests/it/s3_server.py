"""An S3 with object lock (moto) that checks signatures, and an eye on it that is not ours (boto3).

Prints a line of JSON when it is ready, and answers each line of JSON on its input by one.
"""

import hashlib
import json
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import settings
from moto.server import ThreadedMotoServer

RIGHTS = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}


def client(service, key, secret):
    return boto3.client(
        service,
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(s3={"addressing_style": "path"}),
    )


def say(value):
    print(json.dumps(value, default=str), flush=True)


def versions():
    found = []
    for version in s3.list_object_versions(Bucket="locked").get("Versions", []):
        place = {"Bucket": "locked", "Key": version["Key"], "VersionId": version["VersionId"]}
        there = s3.get_object(**place)
        found.append({
            "key": version["Key"],
            "version": version["VersionId"],
            "latest": version["IsLatest"],
            "sha256": hashlib.sha256(there["Body"].read()).hexdigest(),
            "mode": there["ObjectLockMode"],
            "until": there["ObjectLockRetainUntilDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        })
    return found


def delete(key, version):
    try:
        s3.delete_object(Bucket="locked", Key=key, VersionId=version)
        return "deleted"
    except ClientError as error:
        return error.response["Error"]["Code"]


server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
host, port = server.get_host_and_port()
people = client("iam", "setup", "setup")
people.create_user(UserName="gate")
people.put_user_policy(UserName="gate", PolicyName="s3", PolicyDocument=json.dumps(RIGHTS))
key = people.create_access_key(UserName="gate")["AccessKey"]
s3 = client("s3", key["AccessKeyId"], key["SecretAccessKey"])
s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
s3.create_bucket(Bucket="plain")
# From here on, who does not sign rightly is sent away.
settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
say({"port": port, "key": key["AccessKeyId"], "secret": key["SecretAccessKey"]})
for line in sys.stdin:
    asked = json.loads(line)
    say(versions() if asked["do"] == "versions" else delete(asked["key"], asked["version"]))
