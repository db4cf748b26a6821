//! Calls to S3, DynamoDB, KMS and Secrets Manager.

use crate::{
    calls::{By, Call, Parts, Place, reads, writes},
    cloudtrail::Kind,
    dice::Dice,
    json::{Json, array, object},
};

/// What is called every day.
pub const CALLS: &[Call] = &[
    data("s3", "GetObject", 150, By::Machines, true, |dice, place| {
        let (bucket, key) = (*dice.pick(&place.world.buckets), format!("part-{}.parquet", dice.hex(24)));
        object_call(dice, place, bucket, &key, 64, 4_000_000)
    }),
    data("s3", "PutObject", 90, By::Machines, false, |dice, place| {
        let (bucket, key) = (*dice.pick(&place.world.buckets), format!("incoming/{}.json.gz", dice.uuid()));
        let mut parts = object_call(dice, place, bucket, &key, 0, 0);
        parts.response = object! {"x-amz-server-side-encryption" => "aws:kms", "x-amz-version-id" => dice.letters(32)};
        parts
    }),
    data("s3", "HeadObject", 40, By::Machines, true, |dice, place| {
        let (bucket, key) = (*dice.pick(&place.world.buckets), format!("incoming/{}.json.gz", dice.uuid()));
        object_call(dice, place, bucket, &key, 0, 0)
    }),
    data("s3", "ListObjects", 30, By::Machines, true, |dice, place| {
        let bucket = *dice.pick(&place.world.buckets);
        let mut parts = object_call(dice, place, bucket, "", 300, 20_000);
        parts.request = object! {
            "bucketName" => bucket,
            "Host" => format!("{bucket}.s3.{}.amazonaws.com", place.region),
            "prefix" => "incoming/",
            "list-type" => "2",
        };
        parts
    }),
    reads("s3", "GetBucketEncryption", 12, By::Pipelines, bucket_setting),
    reads("s3", "GetBucketAcl", 14, By::Service("cloudtrail.amazonaws.com"), bucket_setting),
    reads("s3", "ListBuckets", 10, By::Anyone, |_, place| {
        Parts::request(object! {"Host" => format!("s3.{}.amazonaws.com", place.region)})
    }),
    writes("s3", "PutBucketTagging", 2, By::Pipelines, bucket_setting),
    reads("kms", "Decrypt", 110, By::Machines, |dice, place| key_call(dice, place, true)),
    reads("kms", "GenerateDataKey", 60, By::Machines, |dice, place| key_call(dice, place, false)),
    reads("kms", "DescribeKey", 16, By::Anyone, |dice, place| {
        let arn = place.arn("kms", &format!("key/{}", dice.pick(&place.world.keys)));
        Parts::request(object! {"keyId" => &arn}).resource("AWS::KMS::Key", arn, place.account)
    }),
    reads("secretsmanager", "GetSecretValue", 20, By::Machines, |dice, place| {
        let secret = format!("{}/database", dice.pick(&place.world.functions));
        Parts::request(object! {"secretId" => place.arn("secretsmanager", &format!("secret:{secret}"))})
    }),
    reads("ssm", "GetParameter", 40, By::Machines, |dice, place| {
        let name = format!("/{}/config", dice.pick(&place.world.functions));
        let arn = place.arn("ssm", &format!("parameter{name}"));
        Parts::request(object! {"name" => name, "withDecryption" => true}).resource(
            "AWS::SSM::Parameter",
            arn,
            place.account,
        )
    }),
    data("dynamodb", "GetItem", 60, By::Machines, true, table_call),
    data("dynamodb", "UpdateItem", 30, By::Machines, false, table_call),
    reads("dynamodb", "DescribeTable", 16, By::Anyone, |dice, place| {
        let table = *dice.pick(&place.world.tables);
        let arn = place.arn("dynamodb", &format!("table/{table}"));
        Parts::request(object! {"tableName" => table}).resource("AWS::DynamoDB::Table", arn, place.account)
    }),
];

const fn data(
    service: &'static str,
    name: &'static str,
    weight: u64,
    by: By,
    read_only: bool,
    parts: fn(&mut Dice, &Place<'_>) -> Parts,
) -> Call {
    Call { service, name, kind: Kind::Data, read_only, weight, by, parts }
}

/// A call about one object; `low` to `high` bytes go out.
pub fn object_call(dice: &mut Dice, place: &Place<'_>, bucket: &str, key: &str, low: i64, high: i64) -> Parts {
    let host = format!("{bucket}.s3.{}.amazonaws.com", place.region);
    let of_object = object! {"type" => "AWS::S3::Object", "ARN" => format!("arn:aws:s3:::{bucket}/{key}")};
    let of_bucket =
        object! {"accountId" => place.account, "type" => "AWS::S3::Bucket", "ARN" => format!("arn:aws:s3:::{bucket}")};
    Parts {
        request: object! {"bucketName" => bucket, "Host" => host, "key" => key},
        response: Json::Null,
        additional: Some(object! {
            "SignatureVersion" => "SigV4",
            "CipherSuite" => "TLS_AES_128_GCM_SHA256",
            "bytesTransferredIn" => 0,
            "AuthenticationMethod" => "AuthHeader",
            "x-amz-id-2" => format!("{}=", dice.letters(75)),
            "bytesTransferredOut" => dice.between(low, high),
        }),
        resources: Some(array![of_object, of_bucket]),
    }
}

fn bucket_setting(dice: &mut Dice, place: &Place<'_>) -> Parts {
    let bucket = *dice.pick(&place.world.buckets);
    let host = format!("{bucket}.s3.{}.amazonaws.com", place.region);
    Parts::request(object! {"bucketName" => bucket, "Host" => host}).resource(
        "AWS::S3::Bucket",
        format!("arn:aws:s3:::{bucket}"),
        place.account,
    )
}

fn key_call(dice: &mut Dice, place: &Place<'_>, decrypt: bool) -> Parts {
    let arn = place.arn("kms", &format!("key/{}", dice.pick(&place.world.keys)));
    let bucket = *dice.pick(&place.world.buckets);
    let context = object! {"aws:s3:arn" => format!("arn:aws:s3:::{bucket}/incoming/{}.json.gz", dice.uuid())};
    let request = if decrypt {
        object! {"encryptionContext" => context, "encryptionAlgorithm" => "SYMMETRIC_DEFAULT"}
    } else {
        object! {"keyId" => &arn, "encryptionContext" => context, "keySpec" => "AES_256"}
    };
    Parts::request(request).resource("AWS::KMS::Key", arn, place.account)
}

fn table_call(dice: &mut Dice, place: &Place<'_>) -> Parts {
    let table = *dice.pick(&place.world.tables);
    let arn = place.arn("dynamodb", &format!("table/{table}"));
    let request = object! {"tableName" => table, "key" => object! {"id" => dice.uuid()}, "consistentRead" => false};
    Parts::request(request).resource("AWS::DynamoDB::Table", arn, place.account)
}
