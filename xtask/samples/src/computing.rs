//! Calls to EC2, Lambda, containers and what deploys them.

use crate::{
    calls::{By, Call, Parts, Place, reads, writes},
    cloudtrail::timestamp,
    dice::Dice,
    json::{Json, array, object},
};

/// What is called every day.
pub const CALLS: &[Call] = &[
    reads("ec2", "DescribeInstances", 90, By::Anyone, |dice, place| {
        let filter = object! {"name" => "instance-state-name", "valueSet" => object! {"items" => array![object! {"value" => "running"}]}};
        let instance = object! {"instanceId" => &dice.pick(&place.world.machines).instance};
        Parts::request(object! {
            "instancesSet" => object! {"items" => array![instance]},
            "filterSet" => object! {"items" => array![filter]},
        })
    }),
    reads("ec2", "DescribeSecurityGroups", 40, By::Anyone, |dice, place| {
        let group = object! {"groupId" => dice.pick(&place.world.security_groups)};
        Parts::request(object! {"securityGroupSet" => object! {"items" => array![group]}, "filterSet" => object! {}})
    }),
    reads("ec2", "DescribeNetworkInterfaces", 36, By::Service("elasticloadbalancing.amazonaws.com"), |dice, place| {
        let interface = object! {"networkInterfaceId" => &dice.pick(&place.world.machines).interface};
        Parts::request(
            object! {"networkInterfaceIdSet" => object! {"items" => array![interface]}, "filterSet" => object! {}},
        )
    }),
    reads("ec2", "DescribeVpcs", 20, By::Pipelines, |_, place| {
        let vpc = object! {"vpcId" => &place.world.vpc};
        Parts::request(object! {"vpcSet" => object! {"items" => array![vpc]}, "filterSet" => object! {}})
    }),
    writes("ec2", "RunInstances", 5, By::Service("autoscaling.amazonaws.com"), run_instances),
    writes("ec2", "TerminateInstances", 5, By::Service("autoscaling.amazonaws.com"), |dice, place| {
        let instance = &dice.pick(&place.world.machines).instance;
        let state = |code: i64, name: &str| object! {"code" => code, "name" => name};
        let item = object! {"instanceId" => instance, "currentState" => state(32, "shutting-down"), "previousState" => state(16, "running")};
        Parts::request(object! {"instancesSet" => object! {"items" => array![object! {"instanceId" => instance}]}})
            .response(object! {"requestId" => dice.uuid(), "instancesSet" => object! {"items" => array![item]}})
    }),
    writes("ec2", "CreateTags", 10, By::Pipelines, |dice, place| {
        let instance = object! {"resourceId" => &dice.pick(&place.world.machines).instance};
        let tag = object! {"key" => "release", "value" => dice.hex(12)};
        let (resources, tags) = (object! {"items" => array![instance]}, object! {"items" => array![tag]});
        Parts::request(object! {"resourcesSet" => resources, "tagSet" => tags})
            .response(object! {"requestId" => dice.uuid(), "_return" => true})
    }),
    writes("ec2", "CreateNetworkInterface", 8, By::Service("lambda.amazonaws.com"), |dice, place| {
        let groups = object! {"items" => array![object! {"groupId" => dice.pick(&place.world.security_groups)}]};
        Parts::request(object! {
            "subnetId" => dice.pick(&place.world.subnets),
            "description" => format!("AWS Lambda VPC ENI-{}", dice.pick(&place.world.functions)),
            "groupSet" => groups,
            "privateIpAddressesSet" => object! {},
            "clientToken" => dice.uuid(),
        })
        .response(object! {"requestId" => dice.uuid(), "networkInterface" => object! {
            "networkInterfaceId" => format!("eni-{}", dice.hex(17)),
            "vpcId" => &place.world.vpc,
            "status" => "pending",
            "privateIpAddress" => format!("10.0.{}.{}", dice.between(1, 4), dice.between(60, 250)),
        }})
    }),
    writes("ec2", "AuthorizeSecurityGroupIngress", 2, By::Pipelines, |dice, place| {
        let (group, port) = (dice.pick(&place.world.security_groups), dice.pick(&place.world.machines).port);
        ingress(dice, group, port, "10.0.0.0/16")
    }),
    writes("ec2", "CreateSnapshot", 5, By::Machines, |dice, place| {
        let volume = format!("vol-{}", dice.hex(17));
        Parts::request(object! {"volumeId" => &volume, "description" => "nightly"}).response(object! {
            "requestId" => dice.uuid(),
            "snapshotId" => format!("snap-{}", dice.hex(17)),
            "volumeId" => volume,
            "status" => "pending",
            "startTime" => place.time * 1000,
            "encrypted" => true,
        })
    }),
    reads("autoscaling", "DescribeAutoScalingGroups", 24, By::Machines, |_, _| {
        Parts::request(object! {"autoScalingGroupNames" => array!["eks-workers"], "maxRecords" => 100})
    }),
    reads("elasticloadbalancing", "DescribeTargetHealth", 44, By::Machines, |dice, place| {
        let target = format!("targetgroup/orders/{}", dice.hex(16));
        Parts::request(object! {"targetGroupArn" => place.arn("elasticloadbalancing", &target)})
    }),
    reads("lambda", "GetFunction20150331v2", 12, By::Pipelines, |dice, place| {
        Parts::request(object! {"functionName" => *dice.pick(&place.world.functions)})
    }),
    reads("lambda", "ListFunctions20150331", 8, By::People, |_, _| Parts::request(object! {"maxItems" => 50})),
    writes("lambda", "UpdateFunctionCode20150331v2", 4, By::Pipelines, |dice, place| {
        let function = *dice.pick(&place.world.functions);
        let key = format!("{function}/{}.zip", dice.hex(40));
        Parts::request(object! {"functionName" => function, "s3Bucket" => "example-build-artifacts", "s3Key" => key, "publish" => true, "dryRun" => false})
            .response(object! {
                "functionName" => function,
                "functionArn" => place.arn("lambda", &format!("function:{function}")),
                "runtime" => "provided.al2023",
                "role" => format!("arn:aws:iam::{}:role/image-resizer-lambda", place.account),
                "codeSha256" => dice.letters(43),
                "memorySize" => 512,
                "timeout" => 30,
                "version" => format!("{}", dice.between(1, 400)),
                "lastModified" => timestamp(place.time),
            })
    }),
    reads("eks", "DescribeCluster", 16, By::Machines, |_, _| Parts::request(object! {"name" => "production"})),
    reads("ecs", "DescribeServices", 20, By::Machines, |dice, place| {
        let services = array![*dice.pick(&place.world.functions)];
        Parts::request(object! {"cluster" => "production", "services" => services})
    }),
    reads("ecr", "BatchGetImage", 30, By::Machines, |dice, place| {
        let image = object! {"imageDigest" => format!("sha256:{}", dice.hex(64))};
        let repository = *dice.pick(&place.world.functions);
        Parts::request(object! {
            "registryId" => place.account,
            "repositoryName" => repository,
            "imageIds" => array![image],
            "acceptedMediaTypes" => array!["application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"],
        })
        .resource("AWS::ECR::Repository", place.arn("ecr", &format!("repository/{repository}")), place.account)
    }),
    reads("ecr", "GetAuthorizationToken", 24, By::Machines, |_, _| Parts::request(Json::Null)),
    reads("cloudformation", "DescribeStacks", 24, By::Pipelines, |dice, place| {
        Parts::request(object! {"stackName" => format!("{}-stack", dice.pick(&place.world.functions))})
    }),
    reads("rds", "DescribeDBInstances", 16, By::Anyone, |_, _| {
        Parts::request(object! {"dBInstanceIdentifier" => "orders-primary", "maxRecords" => 100})
    }),
    writes("ssm", "UpdateInstanceInformation", 60, By::Machines, |dice, place| {
        let machine = dice.pick(&place.world.machines);
        Parts::request(object! {
            "instanceId" => &machine.instance,
            "agentVersion" => "3.3.3050.0",
            "agentStatus" => "Active",
            "platformType" => "Linux",
            "platformName" => "Amazon Linux",
            "platformVersion" => "2023",
            "iPAddress" => &machine.address,
            "computerName" => format!("ip-{}.ec2.internal", machine.address.replace('.', "-")),
            "agentName" => "amazon-ssm-agent",
        })
    }),
];

/// A rule that lets `from` in.
pub fn ingress(dice: &mut Dice, group: &str, port: i64, from: &str) -> Parts {
    let range = object! {"items" => array![object! {"cidrIp" => from}]};
    let permission = object! {
        "ipProtocol" => "tcp",
        "fromPort" => port,
        "toPort" => port,
        "groups" => object! {},
        "ipRanges" => range,
        "ipv6Ranges" => object! {},
        "prefixListIds" => object! {},
    };
    let rule = object! {
        "groupId" => group,
        "securityGroupRuleId" => format!("sgr-{}", dice.hex(17)),
        "isEgress" => false,
        "ipProtocol" => "tcp",
        "fromPort" => port,
        "toPort" => port,
        "cidrIpv4" => from,
    };
    Parts::request(object! {"groupId" => group, "ipPermissions" => object! {"items" => array![permission]}}).response(
        object! {
            "requestId" => dice.uuid(),
            "_return" => true,
            "securityGroupRuleSet" => object! {"items" => array![rule]},
        },
    )
}

fn run_instances(dice: &mut Dice, place: &Place<'_>) -> Parts {
    instances(dice, place, "m7g.large", 1)
}

/// Instances of a size.
pub fn instances(dice: &mut Dice, place: &Place<'_>, size: &str, count: i64) -> Parts {
    let image = format!("ami-{}", dice.hex(17));
    let wanted = object! {"imageId" => &image, "minCount" => count, "maxCount" => count};
    let items = (0..count).map(|at| {
        object! {
            "instanceId" => format!("i-{}", dice.hex(17)),
            "imageId" => &image,
            "instanceState" => object! {"code" => 0, "name" => "pending"},
            "instanceType" => size,
            "amiLaunchIndex" => at,
            "launchTime" => place.time * 1000,
            "subnetId" => dice.pick(&place.world.subnets),
            "vpcId" => &place.world.vpc,
            "privateIpAddress" => format!("10.0.{}.{}", dice.between(1, 4), dice.between(60, 250)),
        }
    });
    let items: Vec<Json> = items.collect();
    Parts::request(object! {
        "instancesSet" => object! {"items" => array![wanted]},
        "instanceType" => size,
        "monitoring" => object! {"enabled" => false},
        "disableApiTermination" => false,
        "ebsOptimized" => true,
        "subnetId" => dice.pick(&place.world.subnets),
    })
    .response(object! {
        "requestId" => dice.uuid(),
        "reservationId" => format!("r-{}", dice.hex(17)),
        "ownerId" => place.account,
        "instancesSet" => object! {"items" => items},
    })
}
